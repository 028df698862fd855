/** Are the blocks that `explain` reads off the formulas those of a finite-difference Jacobian of one step? */
import { describe, expect, test } from 'vitest';
import { explain, type JobObject, loadJob } from '../../src/index.ts';
import { evaluatorOn } from '../../src/inspect/evaluator.ts';
import type { BlockKind } from '../../src/inspect/jacobian.ts';
import { type Problem, takeRows } from '../../src/inspect/problem.ts';
import { openReferenceEngine } from '../../src/worker/engine/reference/engine.ts';
import { jobs, plain } from './jobs.ts';

const oneStep = { from: 0, to: 0.3, steps: 1 } as const;

const x = { uniform: [-1, 1], dim: 2, seed: 3 } as const;

/** Systems whose blocks differ. */
const systems: Readonly<Record<string, JobObject>> = {
  'coupled sources': { ...plain, integrate: { scheme: 'rk4', ...oneStep } },
  leapfrog: { ...jobs['leapfrog']!, integrate: { scheme: 'leapfrog', ...oneStep } },
  'sources that do not see each other': {
    ...plain,
    flow: { x: 'sum(j, q[j] * dot(x, p[j])) * sigma', q: '-q^3' },
    integrate: { scheme: 'heun', ...oneStep },
  },
  'tracers alone': { ...jobs['tracers alone']!, integrate: { scheme: 'ralston', ...oneStep } },
  'a field that is carried along': {
    sources: plain.sources!,
    tracers: { x, a: { uniform: [0, 1], seed: 5 }, b: { uniform: [0, 1], seed: 6 }, rows: 9 },
    flow: { x: 'sum(j, q[j])', a: '-a * b' },
    integrate: { scheme: 'euler', ...oneStep },
    loss: 'sum(i, a)',
    gradient: ['b'],
  },
  'a chain that two stages close': {
    tracers: { x, a: { uniform: [0, 1], seed: 5 }, rows: 9 },
    sources: { q: plain.sources!['q']!, s: { uniform: [0, 1], seed: 7 }, rows: 5 },
    flow: { x: 'a * x', a: 'sum(j, s[j])', s: 'sqnorm(q)', q: '-q' },
    integrate: { scheme: 'heun', ...oneStep },
    loss: 'sum(i, sqnorm(x))',
    gradient: ['s'],
  },
};

const rowsTaken = 3;

describe('the blocks of the Jacobian', () => {
  test.each(Object.keys(systems))('%s', async (name) => {
    const job: JobObject = { ...systems[name]!, precision: 'f64' };
    const { jacobian } = await explain(job);
    const problem = await takeRows(await loadJob(job), rowsTaken);
    const measured: Record<string, BlockKind> = {};
    const explained: Record<string, BlockKind> = {};
    for (const [c, column] of jacobian.columns.entries()) {
      const kinds = await kindsByDifferences(problem, column.field);
      for (const [r, row] of jacobian.rows.entries()) {
        const key = `${row.field}′ by ${column.field}`;
        explained[key] = jacobian.kinds[r]![c]!;
        measured[key] = kinds.get(row.field)!;
      }
    }
    expect(explained).toEqual(measured);
  });
});

/** How each evolving field after the step depends on `field` before it, from the rows that change when one row does. */
async function kindsByDifferences(problem: Problem, field: string): Promise<ReadonlyMap<string, BlockKind>> {
  await using evaluator = await evaluatorOn(openReferenceEngine(), problem, { threads: 1 });
  const fields = [...(problem.system.tracers?.evolving ?? []), ...(problem.system.sources?.evolving ?? [])];
  const base = (await evaluator.evaluate()).final;
  const isTracer = problem.tracers.has(field);
  const values = (isTracer ? problem.tracers : problem.shared).get(field)!;
  const isParam = problem.system.params.some((p) => p.name === field);
  const rows = isParam ? 1 : isTracer ? rowsTaken : (problem.system.sources?.rows ?? 1);
  const width = values.length / rows;
  const changed = new Map(fields.map((f) => [f.name, new Set<string>()]));
  for (let row = 0; row < rows; row++) {
    const moved = values.map((v, k) => (Math.floor(k / width) === row ? v + 0.01 * (1 + (k % width)) : v));
    const arrays = new Map([...(isTracer ? problem.tracers : problem.shared), [field, moved]]);
    const { final } = await evaluator.evaluate(isTracer ? { tracers: arrays } : { shared: arrays });
    for (const f of fields) {
      const [before, after] = [statesOf(problem, base, f.name), statesOf(problem, final, f.name)];
      for (const [k, v] of after.entries()) {
        if (v !== before[k]) changed.get(f.name)!.add(`${row}→${Math.floor(k / f.width)}`);
      }
    }
  }
  const ownRow = (pair: string): boolean => pair.split('→')[0] === pair.split('→')[1];
  const group = (name: string): string =>
    problem.system.tracers?.evolving.some((f) => f.name === name) === true ? 'tracers' : 'sources';
  const columnGroup = isParam ? 'params' : isTracer ? 'tracers' : 'sources';
  return new Map(
    [...changed].map(([name, pairs]): [string, BlockKind] => [
      name,
      pairs.size === 0
        ? 'zero'
        : group(name) === columnGroup && [...pairs].every(ownRow)
          ? 'diagonal'
          : 'dense',
    ]),
  );
}

/** End states of one field: tracers have an array each, the sources one block of all. */
function statesOf(
  { system }: Problem,
  final: ReadonlyMap<string, Float64Array>,
  field: string,
): readonly number[] {
  const own = final.get(field);
  if (own !== undefined) return [...own];
  const [block] = [...final].filter(([name]) => name.includes(' ')).map(([, v]) => v);
  const fields = system.sources?.evolving ?? [];
  const components = fields.reduce((n, f) => n + f.width, 0);
  let start = 0;
  for (const { name, width } of fields) {
    if (name === field)
      return [...block!].filter((_, k) => k % components >= start && k % components < start + width);
    start += width;
  }
  throw new Error(`${field} evolves nowhere`);
}
