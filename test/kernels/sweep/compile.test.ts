import { describe, expect, it } from 'vitest';
import { apply, constant, type Expr, input, part, total } from '../../../src/kernels/ir/expr.ts';
import { postorder } from '../../../src/kernels/ir/walk.ts';
import { affineIn } from '../../../src/kernels/sweep/affine.ts';
import { compileProgram } from '../../../src/kernels/sweep/compile.ts';
import { boundVisits } from '../../../src/kernels/sweep/cost.ts';
import type { Program } from '../../../src/kernels/sweep/program.ts';
import { type ProblemText, systemOf } from '../systems.ts';

const compiled = (text: ProblemText): Program => compileProgram(systemOf(text).system);

const coupled: ProblemText = {
  sources: {
    q: [
      [0, 1],
      [1, 0],
    ],
    w: [1, 2],
  },
  tracers: { x: [[0, 0]], a: [1] },
  sets: { target: { z: [[1, 1]] } },
  params: { sigma: 1, unused: 2 },
  flow: { x: 'sum(j, w[j] * (q[j] - x)) * a', q: 'sum(k, w[k] * (q[k] - q)) * sigma' },
  scheme: 'heun',
  loss: 'sum(i, sqnorm(x))',
};

const vjpOf = (text: ProblemText, group: 'sources' | 'tracers') => compiled(text)[group]?.flowVjp ?? null;

describe('a program', () => {
  it('runs no backward sweep when no gradient is wanted', () => {
    const program = compiled({ ...coupled, gradient: [] });
    expect([program.sources?.flowVjp, program.tracers?.flowVjp]).toEqual([null, null]);
    expect(program.terms.map((t) => t.rows?.vjp)).toEqual([null]);
    expect(program.wants).toEqual({ sources: false, params: false, tracers: false, any: false });
  });

  it('leaves out of the backward sweep what no wanted gradient needs', () => {
    const vjp = vjpOf({ ...coupled, gradient: ['x'] }, 'tracers');
    expect(vjp?.planes.map((p) => p.name)).toEqual(['state']);
    expect([vjp?.rowSums, vjp?.scatters]).toEqual([[], []]);
    expect(vjpOf({ ...coupled, gradient: ['x'] }, 'sources')).toBeNull();
  });

  it('sweeps the sources back for a parameter that only their flow reads', () => {
    const text = { ...coupled, gradient: ['sigma'] };
    expect(vjpOf(text, 'sources')?.rowSums.map((r) => r.target)).toEqual([{ role: 'param', field: 'sigma' }]);
    const scattered = vjpOf(text, 'tracers')?.scatters.map((s) => s.target);
    expect(scattered).toMatchObject([{ role: 'row', field: 'q' }]);
  });

  it('scatters to constant sources without a sweep of the sources when only these are wanted', () => {
    const text = { ...coupled, flow: { x: 'sum(j, w[j] * (q[j] - x)) * a' }, gradient: ['w'] };
    expect(compiled(text).sources?.step).toBeNull();
    expect(vjpOf(text, 'tracers')?.scatters.map((s) => s.target)).toMatchObject([{ field: 'w' }]);
  });

  it('has a gradient of nothing reachable, of the right length', () => {
    const program = compiled({ ...coupled, gradient: ['unused', 'z'] });
    expect(program.layout.gradient.map((s) => [s.kind, s.field, s.offset])).toEqual([
      ['sets', 'z', 0],
      ['params', 'unused', 2],
    ]);
    expect(program.layout.gradientLength).toBe(3);
    expect(program.tracers?.flowVjp).toBeNull();
  });

  it('lays the gradient out as sources (evolving, constant), sets, pairs, params, in the order of the job', () => {
    const program = compiled({
      ...coupled,
      pairs: { W: [1, 2, 3, 4] },
      gradient: ['sigma', 'W', 'z', 'w', 'q'],
    });
    expect(
      program.layout.gradient.map(({ field, offset, rows, width }) => [field, offset, rows, width]),
    ).toEqual([
      ['q', 0, 2, 2],
      ['w', 4, 2, 1],
      ['z', 6, 1, 2],
      ['W', 8, 4, 1],
      ['sigma', 12, 1, 1],
    ]);
  });

  it('is the same for equal systems', () => {
    const twice = [coupled, coupled].map((text) => compiled({ ...text, gradient: ['q', 'sigma', 'x'] }));
    const [first, second] = twice.map((p) => [p.tracers, p.sources, p.terms, p.slots, p.phases]);
    expect(first).toEqual(second);
  });
});

describe('the phases of a loss', () => {
  const phases = (value: string): number => compiled({ ...coupled, loss: value, gradient: ['x'] }).phases;
  it.each([
    ['sum(i, sqnorm(x))', 1],
    ['2 * mean(i, sqnorm(x)) - sum(i, a) / sigma + 3', 1],
    ['sum(i, sqnorm(x)) + log(sum(j, w))', 1],
    ['dot(mean(i, x), mean(i, x))', 2],
    ['log(sum(i, sqnorm(x)))', 2],
    ['max(i, sqnorm(x))', 2],
    ['sum(j, w) * sum(i, a)', 2],
    ['floor(sum(i, a))', 2],
    ['1 / sum(i, a)', 2],
    ['sum(j, w)', 1],
  ])('of %s are %i', (value, expected) => {
    expect(phases(value)).toBe(expected);
  });

  it('keep a linear term one number a row, with what has no tracers apart', () => {
    const [term] = compiled({ ...coupled, loss: 'sigma * sum(i, a) + sum(sum(i, x)) + sum(j, w)' }).terms;
    expect(term?.rows?.by).toEqual(['sum']);
    expect(term?.rows?.value.planes.map((p) => [p.name, p.value.width])).toEqual([['terms', 1]]);
    expect(term?.scalar?.expr.kind).toBe('reduce');
  });

  it('number the sums of a term that is not linear by component', () => {
    const [term] = compiled({ ...coupled, loss: 'sqnorm(mean(i, x)) + max(i, a)' }).terms;
    expect(term?.rows?.by).toEqual(['sum', 'sum', 'max']);
    const indices = postorder(term!.scalar!.expr).flatMap((e) =>
      e.kind === 'input' && e.leaf.role === 'sum' ? [[e.leaf.index, e.width]] : [],
    );
    expect(indices).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
  });

  it('refuse `with` arrays of two terms by one name', () => {
    const seen = { slices: [[[1, 1]]], group: 'tracers' as const };
    const term = { value: 'sum(i, sqdist(x, seen))', with: { seen } };
    expect(() => compiled({ ...coupled, loss: [term, term] })).toThrow(/`with` array `seen`: rename one/);
  });
});

describe('integrals', () => {
  const integral = (text: string, scheme: ProblemText['scheme'] = 'heun') =>
    compiled({ ...coupled, scheme: scheme ?? 'heun', loss: [{ integral: text }], gradient: ['q'] });

  it('are a component more of the group they are sums over', () => {
    const both = integral('sum(i, sqnorm(x)) + sum(j, w * sqnorm(q))');
    expect([both.tracers?.integralComponents, both.sources?.integralComponents]).toEqual([1, 1]);
    expect([both.tracers?.stateComponents, both.sources?.stateComponents]).toEqual([3, 3]);
    expect(integral('log(sum(j, w))').tracers?.integralComponents).toBe(0);
    expect(both.terms[0]?.at).toEqual({ kind: 'times', times: [1] });
  });

  it('are added source by source where they are plain sums over sources, without a loop', () => {
    const flow = integral('3 * sum(j, w * sqnorm(q))').sources!.flow!;
    const running = part(flow.planes[0]!.value, 2, 1);
    const last =
      running.kind === 'part' && running.arg.kind === 'concat' ? running.arg.args.at(-1)! : running;
    expect(postorder(last).some((e) => e.kind === 'reduce')).toBe(false);
  });

  it('are terms at every point with leapfrog', () => {
    const program = compiled({
      tracers: { x: [[1]], u: [[0]] },
      flow: { x: 'u', u: '-x' },
      scheme: 'leapfrog',
      loss: [{ integral: 'sum(i, sqnorm(x))' }],
    });
    expect(program.terms[0]).toMatchObject({ at: { kind: 'every-step' }, weights: 'trapezoid' });
    expect(program.tracers?.integralComponents).toBe(0);
  });

  it('are refused when they are not linear in their sums, read other times, or when there is no time', () => {
    expect(() => integral('log(sum(i, sqnorm(x)))')).toThrow(/not linear in its sums over tracers/);
    expect(() => integral('sum(i, sqdist(x, x@start))')).toThrow(/reads a field at `start`/);
    const seen = { slices: [[[1, 1]], [[2, 2]]], group: 'tracers' as const };
    const sliced = { integral: 'sum(i, sqdist(x, seen))', with: { seen } };
    expect(() => compiled({ ...coupled, loss: [sliced] })).toThrow(/`seen` has 2 slices, and an integral/);
    expect(() => integral('max(i, sqnorm(x))')).toThrow(/not linear in its sums over tracers/);
    expect(() => compiled({ tracers: { x: [[1]] }, loss: [{ integral: 'sum(i, x)' }] })).toThrow(
      /needs `integrate`/,
    );
  });
});

describe('the parts of a formula', () => {
  const s = input({ role: 'sum', index: 0 }, 2);
  const θ = input({ role: 'param', field: 'θ' }, 1);
  const isSum = (e: Expr): boolean => e === s;
  const linearOf = (e: Expr): Expr | null | undefined => affineIn(e, isSum)?.linear;

  it('are linear and constant for sums, products with one factor, and components', () => {
    const e = apply('add', apply('mul', total(s), θ), θ);
    expect(affineIn(e, isSum)).toEqual({ linear: apply('mul', total(s), θ), rest: θ });
    expect(linearOf(part(s, 1, 1))).toBe(part(s, 1, 1));
    expect(affineIn(θ, isSum)).toEqual({ linear: null, rest: θ });
  });

  it('do not exist for anything else', () => {
    expect(affineIn(apply('mul', s, s), isSum)).toBeNull();
    expect(affineIn(apply('div', θ, s), isSum)).toBeNull();
    expect(affineIn(apply('exp', s), isSum)).toBeNull();
    expect(affineIn(apply('select', s, constant(1), constant(2)), isSum)).toBeNull();
  });
});

describe('visits of bound rows', () => {
  const count = (over: string): number => (over === 'sources' ? 10 : 3);
  const visits = (flow: string): number =>
    boundVisits(
      compiled({
        sources: { q: [[1]], p: [[1]] },
        tracers: { x: [[1]] },
        sets: { target: { z: [[1]] } },
        flow: { x: flow },
      }).tracers!.flow!,
      count,
    );

  it('count each loop once, however many reductions share it', () => {
    expect(visits('sum(j, x * q[j]) + max(j, p[j]) / sum(j, exp(q[j]))')).toBe(10);
    expect(visits('sum(j, q[j]) * sum(j in target, z[j])')).toBe(13);
    expect(visits('sum(j, q[j] * sum(k, p[k] * q[j] * exp(x * q[k] * q[j])))')).toBe(110);
    expect(visits('-x')).toBe(0);
  });
});
