/** Row functions of every shape, over the fields of `world.ts`: what lowering and printing are tested on. */
import {
  apply,
  concat,
  constant,
  type Expr,
  input,
  type Loop,
  now,
  part,
  reduce,
  total,
} from '../../../src/kernels/ir/expr.ts';
import type { RowFunction } from '../../../src/kernels/ir/row-function.ts';

export const j: Loop = { over: 'sources', depth: 0 };
export const k: Loop = { over: 'sources', depth: 1 };
export const z: Loop = { over: 'target', depth: 0 };
export const zInner: Loop = { over: 'target', depth: 1 };

export const x = input({ role: 'own', field: 'x', at: now }, 3);
export const m = input({ role: 'own', field: 'm', at: now }, 1);
export const g = input({ role: 'own', field: 'g', at: now }, 3);
export const q = (loop: Loop): Expr => input({ role: 'row', loop, field: 'q', at: now }, 3);
export const p = (loop: Loop): Expr => input({ role: 'row', loop, field: 'p', at: now }, 3);
export const c = (loop: Loop): Expr => input({ role: 'row', loop, field: 'c', at: now }, 1);
export const target = (loop: Loop): Expr => input({ role: 'row', loop, field: 'z', at: now }, 3);
export const weight = (loop: Loop): Expr => input({ role: 'pair', loop, field: 'W' }, 2);
export const sigma = input({ role: 'param', field: 'sigma' }, 1);
export const a = input({ role: 'param', field: 'a' }, 3);
export const kappa = input({ role: 'cotangent', name: 'f' }, 3);
export const time = input({ role: 'time' }, 1);
export const ownIndex = input({ role: 'index', loop: null }, 1);
export const index = (loop: Loop): Expr => input({ role: 'index', loop }, 1);
export const sumOverTracers = (n: number): Expr => input({ role: 'sum', index: n }, 1);

export const add = (u: Expr, v: Expr): Expr => apply('add', u, v);
export const sub = (u: Expr, v: Expr): Expr => apply('sub', u, v);
export const mul = (u: Expr, v: Expr): Expr => apply('mul', u, v);
export const div = (u: Expr, v: Expr): Expr => apply('div', u, v);
export const negative = (u: Expr): Expr => apply('neg', u);
export const exp = (u: Expr): Expr => apply('exp', u);
export const half = constant(0.5);
export const dot = (u: Expr, v: Expr): Expr => total(mul(u, v));
export const sqnorm = (u: Expr): Expr => dot(u, u);
export const sum = (loop: Loop, body: Expr, where: Expr | null = null): Expr =>
  reduce('sum', loop, body, where);

const gaussian = (u: Expr, v: Expr): Expr =>
  apply('exp', div(apply('neg', sqnorm(sub(u, v))), mul(sigma, sigma)));

const rowFunction = (name: string, parts: Partial<Omit<RowFunction, 'name'>>): RowFunction => ({
  name,
  planes: [],
  rowSums: [],
  scatters: [],
  ...parts,
});
const plane = (value: Expr): RowFunction['planes'] => [{ name: 'f', value }];

/** Σ_j exp(−|x − q_j|²/σ²) p_j. */
export const gaussianSum = rowFunction('gaussian', { planes: plane(sum(j, mul(gaussian(x, q(j)), p(j)))) });

/** Its transpose, as reverse mode leaves it: ζ, Γ_q, Γ_p and σ̄ from one pass. */
export const gaussianTransposed = ((): RowFunction => {
  const d = sub(x, q(j));
  const square = sqnorm(d);
  const kernel = gaussian(x, q(j));
  const bar = mul(mul(kernel, dot(p(j), kappa)), div(constant(-1), mul(sigma, sigma)));
  const direction = mul(mul(constant(2), bar), d);
  return rowFunction('gaussian.transposed', {
    planes: plane(sum(j, direction)),
    rowSums: [
      {
        target: { role: 'param', field: 'sigma' },
        value: div(mul(constant(-2), sum(j, mul(bar, square))), sigma),
      },
    ],
    scatters: [
      {
        target: { role: 'row', loop: j, field: 'q', at: now },
        loops: [j],
        where: null,
        value: apply('neg', direction),
      },
      {
        target: { role: 'row', loop: j, field: 'p', at: now },
        loops: [j],
        where: null,
        value: mul(kernel, kappa),
      },
    ],
  });
})();

/** Softened gravity with the own row left out. */
export const gravity = ((): RowFunction => {
  const d = sub(q(j), x);
  const r2 = add(sqnorm(d), mul(sigma, sigma));
  return rowFunction('gravity', {
    planes: plane(
      sum(j, mul(mul(c(j), apply('pow', r2, constant(-1.5))), d), apply('ne', index(j), ownIndex)),
    ),
  });
})();

/** Point vortices in the plane: a division by a varying square. */
export const vortices = ((): RowFunction => {
  const d = sub(part(x, 0, 2), part(q(j), 0, 2));
  const [dx, dy] = [part(d, 0, 1), part(d, 1, 1)];
  const strength = div(c(j), mul(constant(2 * Math.PI), add(sqnorm(d), mul(sigma, sigma))));
  return rowFunction('vortices', {
    planes: plane(sum(j, concat(apply('neg', mul(strength, dy)), mul(strength, dx), mul(strength, m)))),
  });
})();

/** A small network: Σ_j p_j sigmoid(q_j · x + c_j). */
export const network = rowFunction('network', {
  planes: plane(sum(j, mul(p(j), apply('sigmoid', add(dot(q(j), x), c(j)))))),
});

/** log Σ exp with its maximum taken first, over a set: two phases of one loop. */
export const logSumExp = ((): RowFunction => {
  const score = div(apply('neg', sqnorm(sub(x, target(z)))), mul(constant(2), mul(sigma, sigma)));
  const top = apply('stop', reduce('max', z, score));
  return rowFunction('logsumexp', {
    planes: plane(add(top, apply('log', sum(z, apply('exp', sub(score, top)))))),
  });
})();

/** Nested sums over two sets, with a value of the outer loop used within the inner one. */
export const nested = ((): RowFunction => {
  const inner = sum(zInner, mul(gaussian(q(j), target(zInner)), add(c(j), mul(m, dot(target(zInner), x)))));
  return rowFunction('nested', {
    planes: plane(sum(j, mul(p(j), inner))),
    scatters: [
      {
        target: { role: 'row', loop: zInner, field: 'z', at: now },
        loops: [j, zInner],
        where: apply('lt', index(j), index(zInner)),
        value: mul(mul(kappa, c(j)), dot(q(j), target(zInner))),
      },
      {
        target: { role: 'row', loop: j, field: 'p', at: now },
        loops: [j, zInner],
        where: null,
        value: mul(kappa, dot(target(zInner), x)),
      },
    ],
  });
})();

/** Weights between sources, read and scattered to. */
export const weighted = rowFunction('weighted', {
  planes: plane(sum(j, mul(dot(weight(j), concat(c(j), m)), p(j)))),
  scatters: [
    {
      target: { role: 'pair', loop: j, field: 'W' },
      loops: [j],
      where: apply('ne', index(j), ownIndex),
      value: mul(dot(kappa, p(j)), concat(c(j), m)),
    },
  ],
});

/** Every reduction, with and without a selection. */
export const reductions = ((): RowFunction => {
  const distance = sqnorm(sub(x, q(j)));
  const near = apply('lt', distance, constant(1));
  const all = (['min', 'max', 'argmin', 'argmax', 'sum'] as const).flatMap((by) => [
    reduce(by, j, distance),
    apply('clamp', reduce(by, j, distance, near), constant(-1e6), constant(1e6)),
  ]);
  return rowFunction('reductions', { planes: [{ name: 'f', value: concat(...all) }] });
})();

/** Values that no own row changes: reductions of sources alone, parameters, time, sums over tracers. */
export const uniform = ((): RowFunction => {
  const energy = sum(j, mul(c(j), sum(k, mul(gaussian(q(j), q(k)), dot(p(j), p(k))))));
  const scale = div(add(energy, time), add(sigma, constant(1)));
  return rowFunction('uniform', {
    planes: plane(add(mul(scale, x), mul(a, sumOverTracers(1)))),
    rowSums: [
      { target: { role: 'param', field: 'a' }, value: mul(scale, kappa) },
      { target: { role: 'sum', index: 1 }, value: dot(a, kappa) },
    ],
  });
})();

/** No loop at all. */
export const pointwise = rowFunction('pointwise', {
  planes: [
    { name: 'f', value: add(mul(x, apply('sin', m)), div(g, add(constant(2), apply('abs', m)))) },
    { name: 'index', value: add(ownIndex, constant(0.5)) },
  ],
});

export const rowFunctions = [
  gaussianSum,
  gaussianTransposed,
  gravity,
  vortices,
  network,
  logSumExp,
  nested,
  weighted,
  reductions,
  uniform,
  pointwise,
] as const;
