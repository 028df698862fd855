/** What would this job do? Reads and plans a job as `run` does, computes nothing, and explains the plan. */
import { availableParallelism } from 'node:os';
import { readConfig } from '../config.ts';
import { closeJob, loadJob } from '../job/load.ts';
import type { JobObject } from '../job/schema.ts';
import { prepare } from '../prepare.ts';
import { type Explanation, explainPlan } from './explain.ts';

/** What `explain` tells beside the plan. */
export interface ExplainOptions {
  /** Changes to the job, as `--set`. */
  readonly set?: readonly string[];
  /** Hosts its inputs may lie on although they are private or plain http: `host` or `host:port`. */
  readonly allowHosts?: readonly string[];
  /** Also list the kernels instruction by instruction. */
  readonly kernels?: boolean;
}

/** Explain a job; documented where it is exported, in `index.ts`. */
export async function explain(what: JobObject | string, options: ExplainOptions = {}): Promise<Explanation> {
  const sets = options.set ?? [];
  const config = readConfig(process.env);
  const reach = { allowHosts: options.allowHosts ?? [], publicHosts: true, s3: config.s3 };
  const job = await loadJob({
    ...(typeof what === 'string' ? { path: what } : { object: what }),
    sets,
    reach,
  });
  try {
    const threads = config.threads ?? availableParallelism();
    return explainPlan(await prepare(job), { kernels: options.kernels ?? false, threads });
  } finally {
    await closeJob(job);
  }
}
