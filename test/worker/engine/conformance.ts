/**
 * What every engine must do, as tests: the same numbers as the reference within its tolerance, and the same bits
 * from the same question.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schemeNamed } from '../../../src/kernels/schemes/table.ts';
import type { Engine, Precision } from '../../../src/worker/engine/engine.ts';
import { openReferenceEngine } from '../../../src/worker/engine/reference/engine.ts';
import { type ProblemText, systemOf } from '../../kernels/systems.ts';
import { type Case, cases, manyRows, schemes, smooth } from './cases.ts';
import { BlownUp, evaluateOn, load, type Options, type Outcome } from './run.ts';

export interface EngineUnderTest {
  readonly name: string;
  readonly precision: Precision;
  readonly open: () => Engine | Promise<Engine>;
  /** Largest difference from the reference, relative to the largest number of the array. */
  readonly tolerance: number;
  /** Tests whose title holds `test` are skipped, with the reason in their title. */
  readonly skip?: readonly { readonly test: string; readonly reason: string }[];
  /** How long a case may take: compilers of shaders are slower than those of WASM. */
  readonly timeoutMs?: number;
  /** Cases to run; all when absent. */
  readonly cases?: (c: Case) => boolean;
}

const rows = { final: true, trajectory: [0, 1], values: true };

export function describeEngine({
  name,
  precision,
  open,
  tolerance,
  skip = [],
  timeoutMs = 60_000,
  cases: chosen = () => true,
}: EngineUnderTest): void {
  const test = (title: string, body: () => Promise<void>): void => {
    const reason = skip.find((s) => title.includes(s.test))?.reason;
    if (reason === undefined) it(title, body, timeoutMs);
    else it.skip(`${title} (skipped: ${reason})`);
  };

  describe(name, () => {
    let engine: Engine;
    const reference = openReferenceEngine();
    beforeAll(async () => {
      engine = await open();
    });
    afterAll(() => engine[Symbol.asyncDispose]());

    describe('agrees with the reference in loss, gradient and rows', () => {
      for (const { title, text } of cases.filter(chosen)) {
        test(title, async () => {
          const problem = systemOf(text);
          const expected = await evaluateOn(reference, problem, { rows, shards: 2 });
          expectClose(await evaluateOn(engine, problem, { rows, shards: 2 }), expected, tolerance);
        });
      }

      test('with many rows in shards that end inside of blocks', async () => {
        const problem = systemOf(manyRows);
        const options: Options = { rows, shards: 4 };
        const expected = await evaluateOn(reference, problem, options);
        expectClose(await evaluateOn(engine, problem, options), expected, tolerance);
      });

      test('with steps of different lengths', async () => {
        const problem = systemOf({ ...manyRows, tracers: { x: [[0.1, 0.2]], a: [0.5] } });
        const options = { rows, times: Float64Array.of(0.2, 0.25, 0.44, 0.8, 0.9) };
        const expected = await evaluateOn(reference, problem, options);
        expectClose(await evaluateOn(engine, problem, options), expected, tolerance);
      });
    });

    describe('gives the same bits', () => {
      const bits = async (first: Options, second: Options): Promise<void> => {
        const problem = systemOf(manyRows);
        expectSame(
          await evaluateOn(engine, problem, { rows, ...first }),
          await evaluateOn(engine, problem, { rows, ...second }),
        );
      };
      test('whatever the number of threads: 1 and 2', () => bits({ threads: 1 }, { threads: 2 }));
      test('whatever the number of threads: 1 and 3, in shards', () =>
        bits({ threads: 1, shards: 3 }, { threads: 3, shards: 3 }));
      test('whether states are kept or recomputed', () => bits({ segmentSteps: 1 }, { segmentSteps: 100 }));

      test('when asked again, and after other numbers', async () => {
        const problem = systemOf(manyRows);
        const loaded = await load(engine, problem, { rows, shards: 2 });
        try {
          const first = await loaded.evaluate();
          await loaded.evaluate({}, new Map([['sigma', Float64Array.of(1.3)]]));
          expectSame(await loaded.evaluate(), first);
        } finally {
          await loaded[Symbol.asyncDispose]();
        }
      });

      test('for the loss with and without the gradient', async () => {
        const problem = systemOf(manyRows);
        const forward = await evaluateOn(engine, problem, { rows, forwardOnly: true });
        const both = await evaluateOn(engine, problem, { rows });
        expect(Object.is(forward.loss, both.loss)).toBe(true);
      });
    });

    describe('says where a trajectory stops being finite', () => {
      const where = async (text: ProblemText): Promise<readonly [unknown, unknown]> => {
        const problem = systemOf(text);
        return [await failureOf(engine, problem), await failureOf(reference, problem)];
      };
      test('a tracer', async () => {
        const [found, expected] = await where({
          tracers: { x: [[1], [2], [100], [150]] },
          flow: { x: 'exp(x)' },
          scheme: 'euler',
          steps: 6,
          loss: 'sum(i, x)',
          gradient: ['x'],
        });
        expect(found).toEqual(expected);
      });
      test('a source', async () => {
        const [found, expected] = await where({
          sources: { y: [[1], [100]] },
          tracers: { x: [[1]] },
          flow: { y: 'exp(y)', x: 'sum(j, y[j])' },
          scheme: 'heun',
          steps: 6,
          loss: 'sum(i, x)',
          gradient: ['y'],
        });
        expect(found).toMatchObject({ group: 'sources', what: 'state' });
        expect(found).toMatchObject({ ...(expected as object), leaf: expect.anything() });
      });
      test('a term of the loss', async () => {
        const [found, expected] = await where({
          tracers: { x: [[1], [-2], [3]] },
          loss: 'sum(i, log(x))',
          gradient: ['x'],
        });
        expect(found).toEqual(expected);
      });
    });

    // In f32 rounding hides the difference of fine steps: the order is a matter of f64.
    describe.runIf(precision === 'f64')(
      'converges with the order of the scheme, in states and gradients',
      () => {
        for (const scheme of schemes) {
          const { order } = schemeNamed(scheme);
          test(`${scheme}: order ${order}`, async () => {
            const first = order > 3 ? 8 : 16;
            const found = [];
            for (const steps of [first, 2 * first, 4 * first]) {
              found.push(numbersOf(await evaluateOn(engine, systemOf(smooth(scheme, steps)), { rows })));
            }
            // The constants of dopri5's leading error are so small that its sixth order shows at these steps.
            const above = scheme === 'dopri5' ? 1.5 : 0.6;
            for (const what of ['states', 'gradient'] as const) {
              const measured = measuredOrder(found.map((f) => f[what]));
              expect(measured).toBeGreaterThan(order - 0.25);
              expect(measured).toBeLessThan(order + above);
            }
          });
        }
      },
    );

    test('counts the rows and pairs that the formulas ask for', async () => {
      const problem = systemOf(manyRows);
      const [mine, theirs] = await Promise.all([engine, reference].map((e) => countsOf(e, problem)));
      expect(mine).toEqual(theirs);
    });
  });
}

async function countsOf(engine: Engine, problem: ReturnType<typeof systemOf>) {
  const loaded = await load(engine, problem, { shards: 2 });
  try {
    await loaded.evaluate();
    const { pairs, rows: visited } = loaded.session.counters();
    return { pairs: Object.fromEntries(pairs), rows: Object.fromEntries(visited) };
  } finally {
    await loaded[Symbol.asyncDispose]();
  }
}

async function failureOf(engine: Engine, problem: ReturnType<typeof systemOf>): Promise<unknown> {
  try {
    await evaluateOn(engine, problem, { shards: 2 });
  } catch (e) {
    if (e instanceof BlownUp) return e.where;
    throw e;
  }
  throw new Error('the problem stayed finite');
}

/** Every array within `tolerance` of the expected one, relative to its largest entry. */
export function expectClose(found: Outcome, expected: Outcome, tolerance: number): void {
  expect(Math.abs(found.loss - expected.loss)).toBeLessThanOrEqual(
    tolerance * Math.max(1, Math.abs(expected.loss)),
  );
  expect([...found.gradient.keys()].sort()).toEqual([...expected.gradient.keys()].sort());
  expect([...found.rows.keys()].sort()).toEqual([...expected.rows.keys()].sort());
  const differences = [
    ...[...expected.gradient].map(
      ([k, v]) => [`∂/∂${k}`, relative(found.gradient.get(k), v, Math.abs(expected.loss))] as const,
    ),
    ...[...expected.rows].map(([k, v]) => [k, relative(found.rows.get(k), v)] as const),
    [
      'states of the sources',
      relative(found.sourceStates ?? new Float64Array(0), expected.sourceStates ?? new Float64Array(0)),
    ] as const,
  ];
  expect(differences.filter(([, d]) => !(d <= tolerance))).toEqual([]);
}

/** `floor`: a scale that rounding errors have anyway, where the true result may cancel to nothing. */
function relative(found: Float64Array | undefined, expected: Float64Array, floor = 0): number {
  if (found?.length !== expected.length) return Infinity;
  let scale = 0;
  let worst = 0;
  for (const [n, v] of expected.entries()) {
    scale = Math.max(scale, Math.abs(v));
    const d = Math.abs(found[n]! - v);
    worst = d > worst || Number.isNaN(d) ? d : worst;
  }
  // An array of zeros is to be exactly that.
  return scale === 0 ? (worst === 0 ? 0 : Infinity) : worst / Math.max(scale, floor);
}

function expectSame(found: Outcome, expected: Outcome): void {
  expect(Object.is(found.loss, expected.loss)).toBe(true);
  expect(bytesOf(found.gradient)).toEqual(bytesOf(expected.gradient));
  expect(bytesOf(found.rows)).toEqual(bytesOf(expected.rows));
}

function bytesOf(arrays: ReadonlyMap<string, Float64Array>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...arrays].map(([k, v]) => [k, Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('base64')]),
  );
}

/** Loss and gradient as one vector, for differences. */
function numbersOf({ loss, gradient, rows: states }: Outcome): {
  readonly states: readonly number[];
  readonly gradient: readonly number[];
} {
  return {
    states: [loss, ...(states.get('final x') ?? [])],
    gradient: [...gradient.values()].flatMap((g) => [...g]),
  };
}

/** log₂ of how much smaller the difference becomes when the steps are halved once more. */
function measuredOrder([coarse, middle, fine]: readonly (readonly number[])[]): number {
  const distance = (a: readonly number[] = [], b: readonly number[] = []): number =>
    Math.hypot(...a.map((v, n) => v - (b[n] ?? Number.NaN)));
  return Math.log2(distance(coarse, middle) / distance(middle, fine));
}
