/**
 * Whole jobs whose answers are known in closed form or to many digits. Formulas and constants are those a user would
 * write; the reference engine runs them.
 */
import { describe, expect, it } from 'vitest';
import { acceptedTimes } from '../../src/kernels/sweep/adaptive.ts';
import { compileProgram } from '../../src/kernels/sweep/compile.ts';
import { openReferenceEngine } from '../../src/worker/engine/reference/engine.ts';
import { type ProblemText, systemOf } from '../kernels/systems.ts';
import { evaluateOn, type Outcome } from '../worker/engine/run.ts';

const solve = (text: ProblemText): Promise<Outcome> =>
  evaluateOn(openReferenceEngine(), systemOf(text), { rows: { final: true } });

/** With steps that the sources choose. */
async function solveWithin(tolerance: number, text: ProblemText): Promise<Outcome> {
  const problem = systemOf(text);
  const times = acceptedTimes(
    compileProgram(problem.system),
    { abs: tolerance, rel: tolerance },
    problem.fields,
  );
  return evaluateOn(openReferenceEngine(), problem, { times, rows: { final: true } });
}

const final = ({ rows }: Outcome, field: string): readonly number[] => [...rows.get(`final ${field}`)!];

function expectNear(found: readonly number[], expected: readonly number[], digits: number): void {
  expect(found).toHaveLength(expected.length);
  for (const [n, v] of expected.entries()) expect(found[n], `component ${n}`).toBeCloseTo(v, digits);
}

describe('one control point, K = exp(−r²)', () => {
  const text: ProblemText = {
    sources: { q: [[0, 0]], p: [[1, 0]] },
    tracers: { x: [[0.5, 0.3]] },
    flow: {
      x: 'sum(j, exp(-sqdist(x, q[j])) * p[j])',
      q: 'sum(k, exp(-sqdist(q, q[k])) * p[k])',
      p: 'sum(k, 2 * dot(p, p[k]) * exp(-sqdist(q, q[k])) * (q - q[k]))',
    },
    scheme: 'rk4',
    steps: 200,
  };

  it('moves straight on, q(t) = p t, and carries the tracer to (1.28720798, 0.3)', async () => {
    const outcome = await solve(text);
    expectNear([...outcome.sourceStates!], [1, 0, 1, 0], 12);
    expectNear(final(outcome, 'x'), [1.28720798, 0.3], 8);
  });
});

describe('two equal vortices, Γ = 2π at (±1/2, 0)', () => {
  // u(z) = Σ Γ/2π · (−(y − y_j), x − x_j)/r²; the pair turns at Γ/(π d²) = 2.
  const velocity = (from: string, to: string): string =>
    `concat(elem(${to}, 1) - elem(${from}, 1), elem(${from}, 0) - elem(${to}, 0)) / sqdist(${from}, ${to})`;
  const tracers = [
    [0, Math.sqrt(3) / 2],
    [Math.sqrt(5) / 2, 0],
    [0, 0],
  ];
  const duration = 1.3;

  it('turn at rate 2 and turn the tracers at their relative equilibria with them', async () => {
    const outcome = await solve({
      sources: {
        y: [
          [0.5, 0],
          [-0.5, 0],
        ],
      },
      tracers: { x: tracers },
      flow: { x: `sum(j, ${velocity('x', 'y[j]')})`, y: `sum(k != j, ${velocity('y', 'y[k]')})` },
      scheme: 'dopri5',
      to: duration,
      steps: 200,
    });
    const turned = ([a, b]: readonly number[]): readonly number[] => {
      const [c, s] = [Math.cos(2 * duration), Math.sin(2 * duration)];
      return [c * a! - s * b!, s * a! + c * b!];
    };
    expectNear([...outcome.sourceStates!], [...turned([0.5, 0]), ...turned([-0.5, 0])], 11);
    expectNear(final(outcome, 'x'), tracers.flatMap(turned), 10);
  });
});

/** Circular restricted three-body problem in the rotating frame: z = (x, y, x', y'). */
const threeBody = {
  z: `concat(elem(z, 2), elem(z, 3),
      elem(z, 0) + 2 * elem(z, 3) - (1 - mu) * (elem(z, 0) + mu) / D1 - mu * (elem(z, 0) - 1 + mu) / D2,
      elem(z, 1) - 2 * elem(z, 2) - (1 - mu) * elem(z, 1) / D1 - mu * elem(z, 1) / D2)`
    .replaceAll('D1', '((elem(z, 0) + mu)^2 + elem(z, 1)^2)^1.5')
    .replaceAll('D2', '((elem(z, 0) - 1 + mu)^2 + elem(z, 1)^2)^1.5')
    .replaceAll(/\s+/g, ' '),
};

describe('the Arenstorf orbit, μ = 0.012277471', () => {
  const mu = 0.012277471;
  const start = [0.994, 0, 0, -2.0015851063790824];
  const period = 17.06521656015796;
  const jacobi = ([x, y, u, v]: readonly number[]): number => {
    const [r1, r2] = [Math.hypot(x! + mu, y!), Math.hypot(x! - 1 + mu, y!)];
    return x! * x! + y! * y! + (2 * (1 - mu)) / r1 + (2 * mu) / r2 - u! * u! - v! * v!;
  };

  it('begins with the Jacobi constant 2.8564125202', () => {
    // The constant of Hairer, Nørsett & Wanner is without the term μ(1 − μ).
    expect(jacobi(start)).toBeCloseTo(2.8564125202, 9);
  });

  it('closes after its period', async () => {
    const outcome = await solve({
      tracers: { z: [start] },
      params: { mu },
      flow: threeBody,
      scheme: 'dopri5',
      to: period,
      steps: 24_000,
    });
    const end = final(outcome, 'z');
    expectNear(end, start, 3);
    expect(jacobi(end)).toBeCloseTo(jacobi(start), 5);
  });
});

describe('the state-transition matrix at L4, μ = 0.01', () => {
  it('has the first row of exp(2πA) as the gradient of x(2π)', async () => {
    const mu = 0.01;
    const { gradient } = await solve({
      tracers: { z: [[0.5 - mu, Math.sqrt(3) / 2, 0, 0]] },
      params: { mu },
      flow: threeBody,
      scheme: 'dopri5',
      to: 2 * Math.PI,
      steps: 400,
      loss: 'sum(i, elem(z, 0))',
      gradient: ['z'],
    });
    expectNear([...gradient.get('z')!], [10.55583199, 19.08827678, -10.92212414, 3.31462798], 7);
  });
});

describe('an ensemble of Lorenz systems without sources', () => {
  const lorenz = (loss: string): Promise<Outcome> =>
    solve({
      tracers: { u: [[1, 0, 0]] },
      params: { rho: 21, sigma: 10, beta: 8 / 3 },
      flow: {
        u: 'concat(sigma * (elem(u, 1) - elem(u, 0)), elem(u, 0) * (rho - elem(u, 2)) - elem(u, 1), elem(u, 0) * elem(u, 1) - beta * elem(u, 2))',
      },
      scheme: 'dopri5',
      steps: 1000,
      loss,
      gradient: ['rho'],
    });

  it('reaches the known state at t = 1 for ρ = 21, with the known derivative with respect to ρ', async () => {
    const ends = [-6.4505791473, -8.8952114787, 14.6491458666];
    const derivatives = [-1.2392421307, -1.4540715164, 2.2755425106];
    const found = await Promise.all([0, 1, 2].map((c) => lorenz(`sum(i, elem(u, ${c}))`)));
    expectNear(final(found[0]!, 'u'), ends, 9);
    expectNear(
      found.map((f) => f.gradient.get('rho')![0]!),
      derivatives,
      9,
    );
  });
});

describe('the Pleiades, seven bodies of masses 1 … 7', () => {
  // Hairer, Nørsett & Wanner 1993, (II.10.2); reference solution at t = 3: IVP test set, release 2.4.
  const [x, y] = [
    [3, 3, -1, -3, 2, -2, 2],
    [3, -3, 2, 0, 0, -4, 4],
  ];
  const pleiades = (scheme: ProblemText['scheme'], steps: number, to = 3): ProblemText => ({
    sources: {
      q: x!.map((v, n) => [v, y![n]!]),
      v: [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, -1.25],
        [0, 1],
        [1.75, 0],
        [-1.5, 0],
      ],
      m: [1, 2, 3, 4, 5, 6, 7],
    },
    flow: { q: 'v', v: 'sum(k != j, m[k] * (q[k] - q) * rsqrt(sqdist(q, q[k]))^3)' },
    ...(scheme === undefined ? {} : { scheme }),
    to,
    steps,
    loss: 'sum(j, m * sqnorm(q))',
    gradient: ['q', 'v', 'm'],
  });
  it('reach the reference solution of the IVP test set', async () => {
    const expected = [
      [0.3706139143970502, -0.3943437585517392e1],
      [0.3237284092057233e1, -0.327138097397255e1],
      [-0.3222559032418324e1, 0.5225081843456543e1],
      [0.659709145577531, -0.259061243497747e1],
      [0.3425581707156584, 0.1198213693392275e1],
      [0.1562172101400631e1, -0.2429682344935824],
      [-0.7003092922212495, 0.109144924042898e1],
    ].flat();
    const { sourceStates } = await solveWithin(1e-12, { ...pleiades('dopri5', 1), gradient: [] });
    const positions = Array.from({ length: 7 }, (_, n) => [...sourceStates!.subarray(4 * n, 4 * n + 2)]);
    expectNear(positions.flat(), expected, 7);
  });

  // Before the first close encounter, so that a hundred steps are in the range of convergence.
  it.each([
    ['euler', 1],
    ['heun', 2],
    ['ralston', 2],
    ['leapfrog', 2],
    ['rk4', 4],
    ['dopri5', 5],
  ] as const)('converge with %s at order %i, in loss and gradient', async (scheme, order) => {
    const runs: Outcome[] = [];
    for (const steps of [40, 80, 160]) runs.push(await solve(pleiades(scheme, steps, 0.4)));
    const orderOf = (what: (o: Outcome) => readonly number[]): number => {
      const [a, b, c] = runs.map(what);
      const distance = (p: readonly number[], q: readonly number[]): number =>
        Math.hypot(...p.map((v, n) => v - q[n]!));
      return Math.log2(distance(a!, b!) / distance(b!, c!));
    };
    for (const measured of [
      orderOf((o) => [...o.gradient.values()].flatMap((g) => [...g])),
      orderOf((o) => [o.loss]),
    ]) {
      expect(measured).toBeGreaterThan(order - 0.3);
      expect(measured).toBeLessThan(order + (order > 3 ? 1.3 : 0.6));
    }
  });
});
