/**
 * What do the drills of the fault table share? Two jobs of a second or two whose sums f32 does not hold exactly, workers whose
 * device misbehaves, a link that can be cut, and the comparison with `skewflow run`, byte for byte.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import type { Fleet, Service } from '../fleet.ts';

/** Longest that one drill may take: generous, since machines differ. */
export const limits = { timeout: 120_000 };

const system = (rows: number, steps: number): string => `
name: drill
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 20 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, goal: { uniform: [-1, 1], dim: 2, seed: 4 }, rows: ${rows} }
params: { sigma: 0.7 }
let: { "K(a, b)": "exp(-sqdist(a, b) / sigma^2)" }
flow:
  x: sum(j, K(x, q[j]) * p[j])
  q: sum(k, K(q, q[k]) * p[k])
  p: sum(k, 2 / sigma^2 * dot(p, p[k]) * K(q, q[k]) * (q - q[k]))
integrate: { scheme: ralston, from: 0, to: 1, steps: ${steps} }
loss: [{ at: every step, value: "mean(i, sqdist(x, goal))" }]
gradient: [q, p, sigma]
shards: 16
`;

/** One gradient: one long iteration of about two seconds. */
export const longIteration = system(400_000, 40);

/** The same with shards of half a second, during which progress is told. */
export const longShards = system(1_600_000, 40);

/** Many iterations of some 25 ms each. */
export const manyIterations = (iterations: number): string => `${system(20_000, 10)}
optimize: { over: [p], method: lbfgs, iterations: ${iterations}, gradientTolerance: 0, decreaseTolerance: 0 }
`;

/** A job that ends soon. */
export const shortJob = system(4000, 5);

/** Hours of work. */
export const endless = system(40_000_000, 400);

/** Give a job to the fleet; the id of its run. */
export async function submit(fleet: Fleet, text: string, ...more: readonly string[]): Promise<string> {
  const name = await fleet.job('job.yaml', text);
  const { stdout, stderr, code } = await fleet.run('submit', name, '--json', ...more);
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { id: string }).id;
}

export interface Shown {
  readonly state: string;
  readonly iteration: number;
  readonly error: { readonly message: string } | null;
  readonly summary: Readonly<Record<string, unknown>> | null;
}

export async function show(fleet: Fleet, id: string): Promise<Shown> {
  const { stdout, stderr, code } = await fleet.run('show', id, '--json');
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Shown;
}

/** Wait for the end of a run; its loss and its gradient are those of `skewflow run`, byte for byte. */
export async function expectBitsOfRun(fleet: Fleet, id: string): Promise<void> {
  const followed = await fleet.run('follow', id);
  expect(followed.code, followed.stderr).toBe(0);
  const fetched = await fleet.run('fetch', id, '--out', id, '--json');
  expect(fetched.code, fetched.stderr).toBe(0);
  const ran = await fleet.run('run', 'job.yaml', '--out', 'by-run', '--engine', 'wasm', '--json', '--force');
  expect(ran.code, ran.stderr).toBe(0);
  const [ours, theirs] = [fetched, ran].map(({ stdout }) => JSON.parse(stdout) as { loss: number });
  expect(ours?.loss).toBe(theirs?.loss);
  const bytes = [await fleet.file(id, 'gradient.npz'), await fleet.file('by-run', 'gradient.npz')] as const;
  expect(bytes[0].equals(bytes[1])).toBe(true);
}

/** How often something was logged. */
export function count(service: Service, pattern: RegExp): number {
  return [...service.log().matchAll(new RegExp(pattern, 'g'))].length;
}

/** Wait until a condition holds. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`within a minute: ${what}`);
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

/** A worker whose device misbehaves as `drill` says: see bad-device.js. */
export function badWorker(fleet: Fleet, drill: string, ...more: readonly string[]): Service {
  const environment = { NODE_OPTIONS: `--import ${preload}`, SKEWFLOW_DRILL: drill };
  return fleet.start(['worker', '--threads', '1', '--engine', 'wasm', ...more], environment);
}
