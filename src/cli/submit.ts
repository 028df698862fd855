/** `skewflow submit`: jobs to a fleet. Several files, or a sweep, are one batch: one table, one exit code. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { exitCodes } from '../errors.ts';
import {
  acceptedOf,
  type BatchJob,
  type Client,
  type RunHandle,
  type RunStatus,
  type SubmitOptions,
  sweepsOf,
} from '../index.ts';
import { type FleetOptions, withClient, withFleet } from './fleet.ts';
import { exitCodeOf, follow, goesOn } from './follow.ts';
import { statusOf } from './list.ts';
import { repeatable } from './options.ts';
import { interruptible } from './signals.ts';
import { changesText, plainStatus, runsTable, table } from './table.ts';

interface Options extends FleetOptions {
  readonly set: readonly string[];
  readonly sweep: readonly string[];
  readonly priority: number;
  readonly workers?: { readonly min: number; readonly max: number };
  readonly key: string;
  readonly engine: NonNullable<SubmitOptions['engine']>;
  readonly allowMixed?: boolean;
  readonly allowHost: readonly string[];
  readonly follow?: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** How long a run may take to be accepted before that is said. */
const acceptMs = 5000;

export function submitCommand(finish: (code: number) => void): Command {
  return withFleet(new Command('submit').description('give jobs to a fleet of workers'))
    .argument('<job...>', 'job files (YAML or JSON)')
    .addOption(repeatable('--set <path=value>', 'change one value of every job'))
    .addOption(repeatable('--sweep <path=v1,v2>', 'a run for each value, with several for each combination'))
    .option('--priority <n>', 'from 0 to 1000; higher ones get free workers first', priorityOf, 0)
    .option('--workers <min..max>', 'how many workers it may have (default: 1 to half its shards)', workersOf)
    .addOption(
      new Option('--key <text>', 'another key makes another run of the same job').default('', 'none'),
    )
    .addOption(
      new Option('--engine <name>', 'what computes it')
        .choices(['auto', 'wasm', 'webgpu', 'reference'])
        .default('auto'),
    )
    .option(
      '--allow-mixed',
      'let workers of several numerics classes share a run: equal within tolerance only',
    )
    .addOption(
      repeatable(
        '--allow-host <host>',
        'read inputs from this host[:port] also if it is private or plain http, as the workers must',
      ),
    )
    .option('--follow', 'watch until all are over')
    .option('--wait', 'wait until all are over, and print how they ended')
    .option('--json', 'print ids (with --wait: statuses) as one JSON document')
    .action(async (paths: readonly string[], options: Options) => {
      await withClient(options, (client) => submitted(client, paths, options, finish));
    });
}

async function submitted(
  client: Client,
  paths: readonly string[],
  options: Options,
  finish: (code: number) => void,
): Promise<void> {
  const { batch, runs } = await send(client, paths, options);
  const accepted = await acceptedOf(runs, acceptMs);
  if (accepted < runs.length) {
    const which = runs.length === 1 ? 'queued' : `${runs.length - accepted} of ${runs.length} queued`;
    process.stderr.write(`${which}, not yet accepted: no coordinator has taken it so far\n`);
  }
  if (options.follow !== true && options.wait !== true) {
    process.stdout.write(options.json === true ? json(idsOf(batch, runs)) : idLines(batch, runs));
    return;
  }
  const followed = (signal: AbortSignal): Promise<readonly RunStatus[]> =>
    Promise.all(runs.map((run) => ended(client, run, options, signal)));
  const ends = await interruptible(followed).catch(goesOn(runs[0]?.id ?? '', batch));
  const document = { ...idsOf(batch, runs), runs: ends.map(plainStatus) };
  process.stdout.write(options.json === true ? json(document) : `${batchLine(batch)}${runsTable(ends)}`);
  finish(
    ends.every((status) => exitCodeOf(status) === exitCodes.done) ? exitCodes.done : exitCodes.jobFailed,
  );
}

async function send(
  client: Client,
  paths: readonly string[],
  options: Options,
): Promise<{ readonly batch: string | null; readonly runs: readonly RunHandle[] }> {
  const { set, key, priority, engine, workers } = options;
  const allowMixed = options.allowMixed ?? false;
  const common = { set, key, priority, engine, allowMixed, allowHosts: options.allowHost };
  const wanted: SubmitOptions = workers === undefined ? common : { ...common, workers };
  const sets = sweepsOf(options.sweep);
  const jobs = paths.flatMap((job) => sets.map((changed): BatchJob => ({ job, set: changed })));
  const [only] = jobs;
  if (only !== undefined && jobs.length === 1) {
    const run = await client.submit(only.job, { ...wanted, set: [...set, ...(only.set ?? [])] });
    return { batch: null, runs: [run] };
  }
  return client.submitBatch(jobs, wanted);
}

/** How a run ended, with the changes of this submission: it may have been there before under others that come to the same. */
async function ended(
  client: Client,
  { id, submitted }: RunHandle,
  options: Options,
  signal: AbortSignal,
): Promise<RunStatus> {
  const set = submitted?.set ?? [];
  if (options.follow === true) return { ...(await follow(client, id, { set }, signal)), set };
  for await (const _ of client.run(id).events({ signal })) signal.throwIfAborted();
  signal.throwIfAborted();
  return { ...(await statusOf(client, id)), set };
}

/** With --json: the run, or the batch, its runs and what was changed for each. */
function idsOf(batch: string | null, runs: readonly RunHandle[]): Readonly<Record<string, unknown>> {
  const ids = runs.map(({ id }) => id);
  const sets = runs.map(({ submitted }) => submitted?.set ?? []);
  return batch === null ? { id: ids[0] } : { batch, ids, sets };
}

function idLines(batch: string | null, runs: readonly RunHandle[]): string {
  for (const { id, submitted: was } of runs) {
    if (was?.known === true)
      process.stderr.write(`${id}: this job was submitted before; --key makes another run\n`);
  }
  if (batch === null) return runs.map(({ id }) => `${id}\n`).join('');
  const rows = runs.map(({ id, submitted }) => [
    id,
    submitted?.name ?? '',
    changesText(submitted?.set ?? []),
  ]);
  return `${batchLine(batch)}${table(rows)}`;
}

function batchLine(batch: string | null): string {
  return batch === null ? '' : `batch ${batch}\n`;
}

function json(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}

function priorityOf(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 1000) return value;
  throw new InvalidArgumentError('expected a whole number from 0 to 1000.');
}

function workersOf(text: string): { readonly min: number; readonly max: number } {
  const [, low, high] = /^(\d+)(?:\.\.(\d+))?$/u.exec(text) ?? [];
  const [min, max] = [Number(low), Number(high ?? low)];
  if (min >= 1 && max >= min) return { min, max };
  throw new InvalidArgumentError('expected MIN..MAX with 1 ≤ MIN ≤ MAX, such as 2..8.');
}
