/** Does `check` pass what is right, and find what is wrong? */
import { describe, expect, test } from 'vitest';
import { check, checkText, type JobObject, loadJob } from '../../src/index.ts';
import { type Answer, evaluatorOn } from '../../src/inspect/evaluator.ts';
import { checkGradients } from '../../src/inspect/gradient-check.ts';
import { measureOrder } from '../../src/inspect/order.ts';
import { spread, takeRows } from '../../src/inspect/problem.ts';
import { openReferenceEngine } from '../../src/worker/engine/reference/engine.ts';
import { jobs, plain } from './jobs.ts';

/** Jobs that differ in what is computed, not only in how it is laid out. */
const checkable = Object.entries(jobs).filter(
  ([, job]) => (job.gradient ?? []).length > 0 && job.memory === undefined && job.shards === undefined,
);

describe('check', () => {
  test.each(checkable.map(([name]) => name))('passes %s in double precision', async (name) => {
    const report = await check(jobs[name]!);
    for (const g of report.gradients) expect(g.error, g.field).toBeLessThan(1e-6);
    expect(report.passed).toBe(true);
    expect(report.gradients.map((g) => g.field).sort()).toEqual([...jobs[name]!.gradient!].sort());
  });

  test('passes single precision within its own tolerance', async () => {
    const report = await check({ ...plain, precision: 'f32' });
    expect(report.passed).toBe(true);
    expect(report.gradients[0]!.tolerance).toBe(1e-3);
    expect(report.gradients[0]!.error).toBeGreaterThan(1e-9);
  });

  test('refuses what does not fit before anything is computed, with both figures', async () => {
    await expect(check(plain, { memoryBytes: 1000, engine: 'wasm' })).rejects.toMatchObject({
      tag: 'MemoryError',
      details: { needed: expect.any(Number), available: 1000 },
    });
  });

  test('says that the text of a failed check is one', async () => {
    const report = await check(plain);
    const [first, ...rest] = report.gradients;
    const failed = { ...report, passed: false, gradients: [{ ...first!, error: 1, passed: false }, ...rest] };
    expect(checkText(failed)).toMatch(/TOO FAR\n(.*\n)*failed\n$/);
    expect(checkText(report)).toMatch(/passed\n$/);
    expect(checkText(report)).not.toContain('0 everywhere');
    const dead = { ...report, gradients: [{ ...first!, norm: 0 }, ...rest] };
    expect(checkText(dead)).toContain(`∂L/∂${first!.field} is 0 everywhere`);
  });
});

describe('checkGradients', () => {
  /** The report on a right answer whose gradient of q is made wrong by `change`. */
  async function errorWith(change: (g: number, k: number) => number): Promise<number> {
    const problem = await takeRows(await loadJob(plain), 8);
    await using oracle = await evaluatorOn(openReferenceEngine(), problem, { threads: 1 });
    const answer = await oracle.evaluate();
    const gradient = new Map([...answer.gradient, ['q', answer.gradient.get('q')!.map(change)]]);
    const wrong: Answer = { ...answer, gradient };
    const lines = await checkGradients(problem, wrong, oracle, 1e-6);
    return lines.find((l) => l.field === 'q')!.error;
  }

  test('sees one component that is wrong in its third digit', async () => {
    expect(await errorWith((g) => g)).toBeLessThan(1e-8);
    expect(await errorWith((g, k) => (k === 3 ? g * 1.01 : g))).toBeGreaterThan(1e-5);
  });

  test('sees a sign, a factor and a permutation', async () => {
    expect(await errorWith((g) => -g)).toBeGreaterThan(0.1);
    expect(await errorWith((g) => 1.001 * g)).toBeGreaterThan(1e-5);
    expect(await errorWith(() => 0)).toBeGreaterThan(0.1);
  });
});

describe('measureOrder', () => {
  /** Order, and steps at which it shows before rounding does. */
  const orders = [
    ['euler', 1, 16],
    ['heun', 2, 8],
    ['ralston', 2, 8],
    ['rk4', 4, 6],
    ['dopri5', 5, 2],
  ] as const;

  async function measured(job: JobObject): Promise<NonNullable<Awaited<ReturnType<typeof measureOrder>>>> {
    const problem = await takeRows(await loadJob(job), 4);
    await using oracle = await evaluatorOn(openReferenceEngine(), problem, { threads: 1 });
    return (await measureOrder(problem, oracle, 64))!;
  }

  test.each(orders)('%s has order %i, in states and gradient', async (scheme, order, steps) => {
    const report = await measured({ ...plain, integrate: { scheme, from: 0, to: 1, steps } });
    expect(report).toMatchObject({ declared: order, smooth: true });
    expect(report.states.verdict).toBe('declared');
    expect(report.gradient?.verdict).toBe('declared');
    expect(report.states.orders.at(-1)).toBeGreaterThan(order - 0.4);
  });

  test('a flow with a jump keeps no order, and is said to have a jump', async () => {
    const report = await measured({
      ...plain,
      flow: { x: 'step(elem(x, 0) - t) * x', q: '-q' },
      integrate: { scheme: 'rk4', from: 0, to: 1, steps: 8 },
      gradient: ['x'],
    });
    expect(report.smooth).toBe(false);
    expect(report.states.verdict).not.toBe('declared');
  });

  test('a condition on row numbers is no jump', async () => {
    expect((await measured(plain)).smooth).toBe(true);
  });

  test('a loss over all steps depends on how many there are: no order of its gradient', async () => {
    const report = await measured(jobs['a loss at every step and one of the sources']!);
    expect(report.gradient).toBeNull();
  });
});

describe('takeRows', () => {
  test('spreads rows evenly and takes all when there are few', () => {
    expect(spread(10, 20)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(spread(1000, 4)).toEqual([125, 375, 625, 875]);
  });

  test('lets each row stand for those it was taken from', async () => {
    const job: JobObject = {
      tracers: { x: { constant: 2 }, rows: 1000 },
      loss: 'sum(i, x) + 10 * mean(i, x) + max(i, x)',
      gradient: ['x'],
      precision: 'f64',
    };
    const problem = await takeRows(await loadJob(job), 8);
    await using evaluator = await evaluatorOn(openReferenceEngine(), problem, { threads: 1 });
    expect(await evaluator.loss()).toBeCloseTo(2000 + 20 + 2, 9);
  });
});
