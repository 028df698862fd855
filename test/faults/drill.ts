/**
 * What do the drills of the fault table share? Jobs of little work whose sums f32 does not hold exactly, workers whose device
 * misbehaves or takes its time, and the comparison with `skewflow run`, byte for byte.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import type { RunStatus, SubmitOptions } from '../../src/index.ts';
import type { Fleet, Service } from '../fleet.ts';

/** Longest that one drill may take: generous, since machines differ. */
export const limits = { timeout: 120_000 };

/** Issue 301 with coupled sources: what moves, and how. */
export const coupledFlow = `params: { sigma: 0.7 }
let: { "K(a, b)": "exp(-sqdist(a, b) / sigma^2)" }
flow:
  x: sum(j, K(x, q[j]) * p[j])
  q: sum(k, K(q, q[k]) * p[k])
  p: sum(k, 2 / sigma^2 * dot(p, p[k]) * K(q, q[k]) * (q - q[k]))`;

/** Issue 301 with coupled sources, in 16 shards. */
export const gradientJob = (rows: number, steps: number): string => `
name: drill
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 20 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, goal: { uniform: [-1, 1], dim: 2, seed: 4 }, rows: ${rows} }
${coupledFlow}
integrate: { scheme: ralston, from: 0, to: 1, steps: ${steps} }
loss: [{ at: every step, value: "mean(i, sqdist(x, goal))" }]
gradient: [q, p, sigma]
shards: 16
`;

/** A job that ends soon, unless the workers take their time: one gradient, which is one iteration. */
export const oneGradient = gradientJob(4000, 5);

/** Many iterations, of some 25 ms each where nobody takes his time. */
export const manyIterations = (iterations: number): string => `${gradientJob(20_000, 10)}
optimize: { over: [p], method: lbfgs, iterations: ${iterations}, gradientTolerance: 0, decreaseTolerance: 0 }
`;

/** Hours of work. */
export const endless = gradientJob(40_000_000, 400);

/** Give a job to the fleet; the id of its run. */
export async function submit(fleet: Fleet, text: string, options: SubmitOptions = {}): Promise<string> {
  const name = await fleet.job('job.yaml', text);
  const { id } = await fleet.client.submit(join(fleet.folder, name), options);
  return id;
}

/** How a run stands. */
export async function show(fleet: Fleet, id: string): Promise<RunStatus> {
  const status = await fleet.client.run(id).status();
  if (status === null) throw new Error(`nobody knows run ${id}`);
  return status;
}

/** Wait until so many iterations of a run are made. */
export function iterated(fleet: Fleet, id: string, iterations: number): Promise<void> {
  return until(
    async () => ((await show(fleet, id)).progress?.iteration ?? 0) >= iterations,
    `${iterations} iterations`,
  );
}

/** Wait until a run is over, whatever Redis does meanwhile; how it ended. */
export async function over(fleet: Fleet, id: string, mostMs = 90_000): Promise<RunStatus> {
  const run = fleet.client.run(id);
  const told: { status: RunStatus | null } = { status: null };
  const ended = async (): Promise<boolean> => {
    told.status = await run.status().catch(() => null);
    return told.status !== null && ['cancelled', 'done', 'failed'].includes(told.status.state);
  };
  await until(ended, `the end of run ${id}`, mostMs);
  return told.status as RunStatus;
}

/** Wait for the end of a run; its loss and its gradient are those of `skewflow run`, byte for byte. */
export async function expectBitsOfRun(fleet: Fleet, id: string, engine = 'wasm'): Promise<void> {
  expect((await over(fleet, id)).state).toBe('done');
  const { loss } = await fleet.client.run(id).fetch({ out: join(fleet.folder, id) });
  const expected = await bitsOfRun(fleet, engine);
  expect(loss).toBe(expected.loss);
  expect((await fleet.file(id, 'gradient.npz')).equals(expected.gradient)).toBe(true);
}

interface Bits {
  readonly loss: number;
  readonly gradient: Buffer;
}

/** By job: drills of one file share jobs. */
const known = new Map<string, Promise<Bits>>();

/** What `skewflow run` makes of the job that was submitted last. */
async function bitsOfRun(fleet: Fleet, engine: string): Promise<Bits> {
  const text = `${engine}${(await fleet.file('job.yaml')).toString()}`;
  const bits = known.get(text) ?? computed(fleet, engine);
  known.set(text, bits);
  return bits;
}

async function computed(fleet: Fleet, engine: string): Promise<Bits> {
  const ran = await fleet.run('run', 'job.yaml', '--out', 'by-run', '--engine', engine, '--json', '--force');
  expect(ran.code, ran.stderr).toBe(0);
  const { loss } = JSON.parse(ran.stdout) as { loss: number };
  return { loss, gradient: await fleet.file('by-run', 'gradient.npz') };
}

/** How often something was logged. */
export function count(service: Service, pattern: RegExp): number {
  return [...service.log().matchAll(new RegExp(pattern, 'g'))].length;
}

/** Wait until a condition holds. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  mostMs = 90_000,
): Promise<void> {
  const end = Date.now() + mostMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`within ${mostMs / 1000} s: ${what}`);
    await pause(50);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Processes that a process started: a worker's compute children. */
export function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null; // it ended meanwhile
  }
}

const preload = pathToFileURL(fileURLToPath(new URL('./bad-device.js', import.meta.url))).href;

/** What makes a device misbehave as `drill` says: see bad-device.js. */
export function badDevice(drill: string): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import ${preload}`, SKEWFLOW_DRILL: drill };
}

/** A worker whose device misbehaves, with further options of the command. */
export function badWorker(fleet: Fleet, drill: string, ...more: readonly string[]): Service {
  return fleet.start([...onProcessor, ...more], badDevice(drill));
}

/**
 * A worker whose device takes so long over every answer, and does nothing meanwhile: an iteration lasts for as long as a drill
 * needs, and leaves the processors to others.
 */
export function slowWorker(fleet: Fleet, ms: number, environment: NodeJS.ProcessEnv = {}): Service {
  return fleet.start(onProcessor, { ...badDevice(`slow ${ms}`), ...environment });
}

/** What starts a worker that computes in one thread. */
export const onProcessor = ['worker', '--threads', '1', '--engine', 'wasm'] as const;
