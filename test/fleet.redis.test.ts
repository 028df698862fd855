/** Jobs carried by coordinators and workers over Redis: real processes, a real redis-server, real signals. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { explain, type FetchedResult, type SubmitOptions } from '../src/index.ts';
import { built, skewflow } from './cli/skewflow.ts';
import { coupledFlow, iterated, over, slowWorker, submit } from './faults/drill.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { describeWithRedis } from './setup/describe-with.ts';

beforeAll(built);

/** What `skewflow run` made of each job: many tests ask about one. */
let references: string;
beforeAll(async () => {
  references = await mkdtemp(join(tmpdir(), 'skewflow-references-'));
});
afterAll(() => rm(references, { recursive: true, force: true }));

/** Issue 301 with coupled sources, values that f32 does not hold exactly, and everything that can be saved. */
const gradientJob = (tracers: number, steps: number): string => `
name: carried
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, p: { normal: [0, 0.3], dim: 2, seed: 2 }, rows: 20 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, goal: { uniform: [-1, 1], dim: 2, seed: 4 }, rows: ${tracers} }
${coupledFlow}
integrate: { scheme: ralston, from: 0, to: 1, steps: ${steps} }
loss: [{ at: every step, value: "mean(i, sqdist(x, goal))" }]
gradient: [q, p, sigma, x]
values: { density: "sum(j, K(x, q[j]))" }
output: { save: [final, trajectory], every: 5 }
shards: 16
`;

const optimiseJob = (iterations: number): string => `
${gradientJob(20_000, 10)}
optimize: { over: [p], method: lbfgs, iterations: ${iterations}, gradientTolerance: 0, decreaseTolerance: 0 }
`;

/** More sources than tracers: what a shard answers is far larger than what it is asked about. */
const manySourcesJob = `
name: many-sources
precision: f64
sources: { q: { uniform: [-1, 1], dim: 3, seed: 1 }, p: { normal: [0, 1e-4], dim: 3, seed: 2 }, rows: 100000 }
tracers: { x: { uniform: [-1, 1], dim: 3, seed: 3 }, goal: { uniform: [-1, 1], dim: 3, seed: 4 }, rows: 300 }
params: { sigma: 0.7 }
flow: { x: "sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])" }
integrate: { scheme: euler, from: 0, to: 1, steps: 1 }
loss: mean(i, sqdist(x, goal))
gradient: [q, p]
shards: 2
`;

const arrays = [
  'gradient.npz',
  'gradient/x.npy',
  'final/x.npy',
  'final/q.npy',
  'trajectory/x.npy',
  'trajectory/t.npy',
  'values/density.npy',
  'job.yaml',
] as const;

/** What `skewflow run` makes of a job. */
interface Reference {
  readonly folder: string;
  readonly summary: Readonly<Record<string, unknown>>;
}

const known = new Map<string, Promise<Reference>>();

function referenceOf(text: string): Promise<Reference> {
  const reference = known.get(text) ?? computed(text, `${known.size}`);
  known.set(text, reference);
  return reference;
}

async function computed(text: string, name: string): Promise<Reference> {
  await writeFile(join(references, `${name}.yaml`), text);
  const args = ['run', `${name}.yaml`, '--out', name, '--engine', 'wasm', '--json', '--force'];
  const { code, stdout, stderr } = await skewflow(args, references);
  expect(code, stderr).toBe(0);
  return {
    folder: join(references, name),
    summary: JSON.parse(stdout) as Record<string, unknown>,
  };
}

/** Wait for the end of a run, and fetch what came of it. */
async function fetched(fleet: Fleet, id: string): Promise<FetchedResult> {
  expect((await over(fleet, id, 170_000)).state).toBe('done');
  return await fleet.client.run(id).fetch({ out: join(fleet.folder, id) });
}

/** The run gives what `run` does, byte for byte, in every file. */
async function expectSameBits(
  fleet: Fleet,
  id: string,
  text: string,
  files: readonly string[] = arrays,
): Promise<FetchedResult> {
  const { folder, summary } = await referenceOf(text);
  const result = await fetched(fleet, id);
  const { loss, jobDigest, numerics } = result.summary;
  expect({ loss, jobDigest, numerics }).toEqual({
    loss: summary['loss'],
    jobDigest: summary['jobDigest'],
    numerics: summary['numerics'],
  });
  for (const file of files)
    expect((await fleet.file(id, file)).equals(await readFile(join(folder, file))), file).toBe(true);
  return result;
}

const upTo = (max: number): SubmitOptions => ({ workers: { min: 1, max } });

describeWithRedis('a fleet', () => {
  test('sends as much for ten times the tracers and four times the steps', { timeout: 180_000 }, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    fleet.worker();
    const sent: number[] = [];
    const most: number[] = [];
    for (const [tracers, steps] of [
      [8000, 10],
      [80_000, 10],
      [8000, 40],
    ] as const) {
      const id = await submit(fleet, gradientJob(tracers, steps));
      sent.push((await fetched(fleet, id)).bytesPerIteration);
      most.push((await explain(join(fleet.folder, 'job.yaml'))).traffic.totalBytes);
    }
    // One by one every leaf of a job sends as much; shards of one worker that are answered together send less.
    for (const [n, bytes] of sent.entries()) {
      expect(bytes).toBeGreaterThan(1000);
      expect(bytes).toBeLessThanOrEqual(most[n] ?? 0);
    }
    expect(most[1]).toBe(most[0]);
    // The states of the sources that are saved go once for each saved time.
    expect(most[2]).toBeLessThan(Number(most[0]) + 8 * 20 * 4 * 6 + 1);
  });

  test('carries the gradient of 100 000 sources in f64, 5 MB an answer', { timeout: 180_000 }, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    for (let n = 0; n < 2; n++) fleet.worker();
    const id = await submit(fleet, manySourcesJob, { workers: { min: 2, max: 2 } });
    const { bytesPerIteration } = await expectSameBits(fleet, id, manySourcesJob, ['gradient.npz']);
    expect(bytesPerIteration).toBeGreaterThan(2 * 4_800_000);
    expect((await fleet.file(id, 'gradient.npz')).length).toBeGreaterThan(1e6);
  });

  const text = gradientJob(30_000, 20);

  test.each([1, 2, 5])('of %i workers gives the bits of `run`', { timeout: 180_000 }, async (workers) => {
    await using fleet = await startFleet();
    fleet.coordinator();
    for (let n = 0; n < workers; n++) fleet.worker();
    await expectSameBits(fleet, await submit(fleet, text, upTo(workers)), text);
  });

  test('keeps the bits while workers join, are told to leave, and are killed', {
    timeout: 180_000,
  }, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const id = await submit(fleet, text, upTo(4));
    const [first, second] = [slowWorker(fleet, 1500), slowWorker(fleet, 1500)];
    await coordinator.says(/worker joined[\s\S]*worker joined/);
    first.kill('SIGKILL');
    slowWorker(fleet, 300);
    await coordinator.says(/worker lost/);
    await coordinator.says(/worker joined[\s\S]*worker joined[\s\S]*worker joined/);
    second.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    expect(second.log()).toMatch(/draining/);
    await expectSameBits(fleet, id, text);
    const { stdout } = await fleet.run('show', id, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ state: 'done', summary: { workersLost: 1 } });
  });

  test('hands a run over when its coordinator is told to end, and goes on when the next is killed', {
    timeout: 180_000,
  }, async () => {
    await using fleet = await startFleet();
    const first = fleet.coordinator();
    for (let n = 0; n < 2; n++) slowWorker(fleet, 40);
    const optimised = optimiseJob(28);
    const id = await submit(fleet, optimised);
    await iterated(fleet, id, 5);
    const second = fleet.coordinator();
    await second.says(/coordinator ready/);
    first.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    await second.says(/resuming from iteration ([5-9]|\d\d)/);
    await iterated(fleet, id, 12);
    const third = fleet.coordinator();
    await third.says(/coordinator ready/);
    second.kill('SIGKILL');
    await third.says(/taking over run/);
    await third.says(/resuming from iteration \d\d/);
    await expectSameBits(fleet, id, optimised, [...arrays, 'optimum.npz']);
  });
});
