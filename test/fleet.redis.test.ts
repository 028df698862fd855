/** Jobs carried by coordinators and workers over Redis: real processes, a real redis-server, real signals. */
import { beforeAll, expect, test } from 'vitest';
import { built } from './cli/skewflow.ts';
import { coupledFlow } from './faults/drill.ts';
import { type Fleet, startFleet } from './fleet.ts';
import { describeWithRedis } from './setup/describe-with.ts';

beforeAll(built);

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
  ['gradient.npz'],
  ['gradient', 'x.npy'],
  ['final', 'x.npy'],
  ['final', 'q.npy'],
  ['trajectory', 'x.npy'],
  ['trajectory', 't.npy'],
  ['values', 'density.npy'],
  ['job.yaml'],
] as const;

/** What `skewflow run` makes of it, in `<name>-run`. */
async function reference(fleet: Fleet, job: string): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await fleet.run(
    'run',
    job,
    '--out',
    'by-run',
    '--engine',
    'wasm',
    '--json',
  );
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function submitted(fleet: Fleet, job: string, ...more: readonly string[]): Promise<string> {
  const { stdout, stderr, code } = await fleet.run('submit', job, '--json', ...more);
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { id: string }).id;
}

async function expectSameBits(fleet: Fleet, id: string, job: string): Promise<void> {
  const expected = await reference(fleet, job);
  const followed = await fleet.run('follow', id);
  expect(followed.code, followed.stderr).toBe(0);
  const { code, stdout, stderr } = await fleet.run('fetch', id, '--out', 'fetched', '--json');
  expect(code, stderr).toBe(0);
  const { loss, jobDigest, numerics } = JSON.parse(stdout) as Record<string, unknown>;
  expect({ loss, jobDigest, numerics }).toEqual({
    loss: expected['loss'],
    jobDigest: expected['jobDigest'],
    numerics: expected['numerics'],
  });
  for (const path of arrays) {
    const [ours, theirs] = [await fleet.file('fetched', ...path), await fleet.file('by-run', ...path)];
    expect(ours.equals(theirs), path.join('/')).toBe(true);
  }
}

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
      const job = await fleet.job('job.yaml', gradientJob(tracers, steps));
      const id = await submitted(fleet, job, '--wait');
      const fetched = await fleet.run('fetch', id, '--out', id, '--json');
      sent.push((JSON.parse(fetched.stdout) as { bytesPerIteration: number }).bytesPerIteration);
      const explained = await fleet.run('explain', job, '--json');
      most.push((JSON.parse(explained.stdout) as { traffic: { totalBytes: number } }).traffic.totalBytes);
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
    const job = await fleet.job('job.yaml', manySourcesJob);
    const id = await submitted(fleet, job, '--workers', '2..2', '--wait');
    const expected = await reference(fleet, job);
    const { code, stdout, stderr } = await fleet.run('fetch', id, '--out', 'fetched', '--json');
    expect(code, stderr).toBe(0);
    const { loss, bytesPerIteration } = JSON.parse(stdout) as Record<string, unknown>;
    expect(loss).toBe(expected['loss']);
    expect(bytesPerIteration).toBeGreaterThan(2 * 4_800_000);
    const [ours, theirs] = [
      await fleet.file('fetched', 'gradient.npz'),
      await fleet.file('by-run', 'gradient.npz'),
    ];
    expect(ours.length).toBeGreaterThan(1e6);
    expect(ours.equals(theirs)).toBe(true);
  });

  test.each([1, 2, 5])('of %i workers gives the bits of `run`', { timeout: 180_000 }, async (workers) => {
    await using fleet = await startFleet();
    fleet.coordinator();
    for (let n = 0; n < workers; n++) fleet.worker();
    const job = await fleet.job('job.yaml', gradientJob(30_000, 20));
    await expectSameBits(fleet, await submitted(fleet, job, '--workers', `1..${workers}`), job);
  });

  test('keeps the bits while workers join, are told to leave, and are killed', {
    timeout: 180_000,
  }, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    const job = await fleet.job('job.yaml', gradientJob(400_000, 120));
    const id = await submitted(fleet, job, '--workers', '1..4');
    const [first, second] = [fleet.worker(), fleet.worker()];
    await coordinator.says(/worker joined[\s\S]*worker joined/);
    first.kill('SIGKILL');
    fleet.worker();
    await coordinator.says(/worker lost/);
    await coordinator.says(/worker joined[\s\S]*worker joined[\s\S]*worker joined/);
    second.kill('SIGTERM');
    expect(await second.ended).toBe(0);
    expect(second.log()).toMatch(/draining/);
    await expectSameBits(fleet, id, job);
    const { stdout } = await fleet.run('show', id, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ state: 'done', summary: { workersLost: 1 } });
  });

  test('goes on from a checkpoint when its coordinator is killed', { timeout: 180_000 }, async () => {
    await using fleet = await startFleet();
    const [first] = [fleet.coordinator()];
    fleet.worker();
    fleet.worker();
    const job = await fleet.job('job.yaml', optimiseJob(40));
    const id = await submitted(fleet, job);
    await waitFor(async () => (await iterationOf(fleet, id)) > 8);
    const second = fleet.coordinator();
    await second.says(/coordinator ready/);
    first.kill('SIGKILL');
    await second.says(/taking over run/);
    await second.says(/resuming from iteration (9|\d\d)/);
    await expectSameBits(fleet, id, job);
    const [ours, theirs] = [
      await fleet.file('fetched', 'optimum.npz'),
      await fleet.file('by-run', 'optimum.npz'),
    ];
    expect(ours.equals(theirs)).toBe(true);
  });

  test('hands its runs over when a coordinator is told to end', { timeout: 180_000 }, async () => {
    await using fleet = await startFleet();
    const first = fleet.coordinator();
    fleet.worker();
    const job = await fleet.job('job.yaml', optimiseJob(30));
    const id = await submitted(fleet, job);
    await waitFor(async () => (await iterationOf(fleet, id)) > 5);
    fleet.coordinator();
    first.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    await expectSameBits(fleet, id, job);
  });
});

async function iterationOf(fleet: Fleet, id: string): Promise<number> {
  return (await fleet.client.run(id).status())?.progress?.iteration ?? 0;
}

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const until = Date.now() + 90_000;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error('it did not happen within 90 s');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
