import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vjp } from '../../../src/kernels/autodiff/vjp.ts';
import {
  apply,
  concat,
  constant,
  type Expr,
  type Loop,
  leafKey,
  reduce,
} from '../../../src/kernels/ir/expr.ts';
import type { RowFunction } from '../../../src/kernels/ir/row-function.ts';
import { lower } from '../../../src/kernels/lower/lower.ts';
import * as samples from '../lower/functions.ts';
import {
  difference,
  evaluateDirectly,
  interpret,
  layout,
  type Results,
  random,
  world,
} from '../lower/world.ts';
import { runKernel } from './run-kernel.ts';

/** A formula of width 1 from a source of numbers, bounded and smooth enough to compare; loops nest at most twice. */
function formula(next: () => number, loops: readonly Loop[], budget: number): Expr {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] ?? (items[0] as T);
  const inner = (): Expr => formula(next, loops, budget - 1);
  const leaf = (): Expr => {
    const bound = loops.flatMap((loop) =>
      loop.over === 'sources'
        ? [
            samples.c(loop),
            samples.dot(samples.q(loop), samples.x),
            samples.dot(samples.p(loop), samples.q(loop)),
          ]
        : [samples.dot(samples.target(loop), samples.x), samples.sqnorm(samples.target(loop))],
    );
    const free = [samples.m, samples.sigma, samples.time, constant(0.5), samples.dot(samples.a, samples.x)];
    return pick([...bound, ...bound, ...free]);
  };
  if (budget <= 0) return leaf();
  const depth = loops.length;
  const choices: readonly (() => Expr)[] = [
    leaf,
    () => samples.add(inner(), inner()),
    () => samples.sub(inner(), inner()),
    () => samples.mul(inner(), inner()),
    () => samples.negative(inner()),
    () => samples.div(inner(), samples.add(samples.sqnorm(inner()), constant(1))),
    () => samples.exp(samples.negative(samples.sqnorm(inner()))),
    () => apply('tanh', inner()),
    () => apply('sigmoid', inner()),
    () =>
      apply(
        'pow',
        samples.add(samples.sqnorm(inner()), constant(1)),
        constant(pick([-1.5, -1, 0.5, 2, 2.5])),
      ),
    () => apply('select', apply('lt', leaf(), leaf()), inner(), inner()),
    () => apply('max', inner(), constant(0.1)),
  ];
  const loop: Loop = { over: pick(['sources', 'target']), depth };
  const reduced = (): Expr =>
    reduce(
      pick(['sum', 'sum', 'sum', 'max', 'min'] as const),
      loop,
      formula(next, [...loops, loop], budget - 1),
      next() < 0.3 ? apply('le', samples.index(loop), samples.add(samples.ownIndex, constant(1))) : null,
    );
  return next() < (depth === 0 ? 0.5 : 0.15) && depth < 2 ? reduced() : pick(choices)();
}

function randomFunction(seed: number): RowFunction {
  const next = random(seed);
  const value = concat(...[0, 1, 2].map(() => formula(next, [], 4)));
  return { name: 'random', planes: [{ name: 'f', value }], rowSums: [], scatters: [] };
}

/** Its fused backward with respect to everything it reads. */
function transposed(fn: RowFunction): RowFunction {
  const seeds = fn.planes.map((p) => ({ value: p.value, cotangent: samples.kappa }));
  const { own, rowSums, scatters } = vjp(seeds, (leaf) => leaf.role !== 'index' && leaf.role !== 'time');
  const planes = [samples.x, samples.m].flatMap((field) => {
    const cotangent = field.kind === 'input' ? own.get(leafKey(field.leaf)) : undefined;
    return cotangent === undefined ? [] : [{ name: leafKey(cotangent.leaf), value: cotangent.value }];
  });
  return { name: 'random.transposed', planes, rowSums, scatters };
}

/** Reductions over no selected row leave ∞, which has no difference. */
const comparable = (r: Results): boolean =>
  [...[...r.planes.values()].flat(2), ...r.rowSums.values(), ...r.scatters.values()].every(
    (v) => Number.isFinite(v) && Math.abs(v) < 1e12,
  );

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe('kernels of random formulas', () => {
  it.each([
    ['forward', (fn: RowFunction) => fn],
    ['backward', transposed],
  ] as const)('compute in WASM, %s, what the formulas say', (_, direction) => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 4 }), fc.boolean(), (seed, vectors, fma) => {
        const fn = direction(randomFunction(seed));
        const w = world(seed, 5, 3, 2);
        const direct = evaluateDirectly(fn, w);
        if (!comparable(direct)) return;
        const kernel = lower(fn, layout);
        expect(difference(interpret(kernel, w), direct)).toBeLessThan(1e-8);
        expect(difference(runKernel(kernel, { lane: 'f64x2', fma, vectors }, w), direct)).toBeLessThan(1e-8);
      }),
      { numRuns: 25 },
    );
  });
});
