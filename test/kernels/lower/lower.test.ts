import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernel, LoopStep, Step } from '../../../src/kernels/ir/kernel.ts';
import { lower } from '../../../src/kernels/lower/lower.ts';
import * as samples from './functions.ts';
import { difference, evaluateDirectly, interpret, layout, world } from './world.ts';

const loopsOf = (steps: readonly Step[]): readonly LoopStep[] =>
  steps.flatMap((s) => (s.kind === 'loop' ? [s, ...loopsOf(s.steps)] : []));

/** Ops computed within loops of one depth, in order. */
const opsAtDepth = (kernel: Kernel, depth: number): readonly string[] =>
  kernel.values.flatMap((v) => (v.kind === 'apply' && v.depth === depth ? [v.op] : []));

describe('a lowered row function', () => {
  it.each(samples.rowFunctions.map((fn) => [fn.name, fn] as const))(
    '%s computes what its formulas say',
    (_, fn) => {
      const w = world(7, 5, 6);
      expect(difference(interpret(lower(fn, layout), w), evaluateDirectly(fn, w))).toBeLessThan(1e-12);
    },
  );

  it.each(samples.rowFunctions.map((fn) => [fn.name, fn] as const))('%s does so over no sources', (_, fn) => {
    const w = world(8, 3, 0, 2, 4);
    expect(difference(interpret(lower(fn, layout), w), evaluateDirectly(fn, w))).toBeLessThan(1e-12);
  });

  it.each(samples.rowFunctions.map((fn) => [fn.name, fn] as const))(
    '%s defines every value before its use, once',
    (_, fn) => {
      const kernel = lower(fn, layout);
      const defined = new Set<number>();
      const use = (id: number): void => {
        expect(defined).toContain(id);
      };
      const run = (steps: readonly Step[]): void => {
        for (const step of steps) {
          if (step.kind === 'compute') {
            const v = kernel.values[step.value];
            if (v?.kind === 'apply') for (const a of v.args) use(a);
            expect(defined).not.toContain(step.value);
            defined.add(step.value);
            continue;
          }
          run(step.steps);
          for (const entry of [...step.accumulators, ...step.scatters]) {
            use(entry.value);
            if (entry.where !== null) use(entry.where);
          }
          for (const [id, v] of kernel.values.entries())
            if (v.kind === 'accumulated' && v.loop === step.id) defined.add(id);
        }
      };
      run(kernel.steps);
      for (const plane of kernel.planes) for (const v of plane.values) use(v);
      for (const { value } of kernel.rowSums) use(value);
    },
  );
});

describe('lowering', () => {
  it('runs all reductions and scatters of a transposed kernel in one loop', () => {
    const loops = loopsOf(lower(samples.gaussianTransposed, layout).steps);
    expect(loops.map((l) => [l.accumulators.length, l.scatters.length])).toEqual([[4, 6]]);
  });

  it('takes 1/σ² and log₂ e out of the loop over sources', () => {
    const inLoop = opsAtDepth(lower(samples.gaussianSum, layout), 1);
    expect([...inLoop].sort()).toEqual(
      ['sub', 'sub', 'sub', 'mul', 'mul', 'mul', 'add', 'add', 'mul', 'exp2', 'mul', 'mul', 'mul'].sort(),
    );
  });

  it('computes one exponential for a value and all its cotangents', () => {
    const ops = opsAtDepth(lower(samples.gaussianTransposed, layout), 1);
    expect(ops.filter((op) => op === 'exp2')).toHaveLength(1);
  });

  it('writes r^(−3/2) with one reciprocal root', () => {
    const ops = opsAtDepth(lower(samples.gravity, layout), 1);
    expect(ops.filter((op) => op === 'rsqrt')).toHaveLength(1);
    expect(ops).not.toContain('pow');
  });

  it('gives a maximum that a sum needs its own, earlier loop', () => {
    const loops = loopsOf(lower(samples.logSumExp, layout).steps);
    expect(loops.map((l) => l.accumulators.map((a) => a.by))).toEqual([['max'], ['sum']]);
  });

  it('marks what no own row changes', () => {
    const kernel = lower(samples.uniform, layout);
    const accumulated = kernel.values.filter((v) => v.kind === 'accumulated');
    expect(accumulated.map((v) => [v.depth, v.varies])).toEqual([
      [1, false],
      [0, false],
    ]);
  });

  it('computes in the outer loop what the inner one does not change', () => {
    const kernel = lower(samples.nested, layout);
    const subtractions = kernel.values.filter((v) => v.kind === 'apply' && v.op === 'sub');
    expect(subtractions.every((v) => v.depth === 2 && !v.varies)).toBe(true);
    const loops = loopsOf(kernel.steps);
    expect(loops.map((l) => l.loop)).toEqual([samples.j, samples.zInner]);
  });

  it('keeps the value of formulas with random constants and products', () => {
    const factor = fc.constantFrom(
      samples.m,
      samples.sigma,
      samples.time,
      samples.c(samples.j),
      samples.dot(samples.q(samples.j), samples.x),
      samples.sqnorm(samples.p(samples.j)),
    );
    const formula = fc.letrec<{ e: ReturnType<typeof samples.add> }>((tie) => ({
      e: fc.oneof(
        { maxDepth: 5 },
        factor,
        fc.tuple(tie('e'), tie('e')).map(([u, v]) => samples.mul(u, v)),
        fc.tuple(tie('e'), tie('e')).map(([u, v]) => samples.sub(u, v)),
        fc
          .tuple(tie('e'), tie('e'))
          .map(([u, v]) => samples.div(u, samples.add(samples.sqnorm(v), samples.sigma))),
        tie('e').map((u) => samples.exp(samples.mul(u, samples.half))),
        tie('e').map((u) => samples.negative(u)),
      ),
    })).e;
    fc.assert(
      fc.property(formula, fc.integer(), (e, seed) => {
        const fn = { ...samples.pointwise, planes: [{ name: 'f', value: samples.sum(samples.j, e) }] };
        const w = world(seed, 3, 4);
        const direct = evaluateDirectly(fn, w);
        if ([...direct.planes.values()].flat(2).some((v) => !Number.isFinite(v) || Math.abs(v) > 1e30))
          return;
        expect(difference(interpret(lower(fn, layout), w), direct)).toBeLessThan(1e-9);
      }),
    );
  });
});
