/**
 * Functions with known minima: sums of squares f(x) = Σ rᵢ(x)² with residuals, their derivatives and the standard start.
 *
 * Moré, Garbow & Hillstrom, _Testing unconstrained optimization software_, ACM TOMS 7 (1981); numbers in titles are theirs.
 */

export interface TestFunction {
  readonly title: string;
  readonly start: readonly number[];
  /** The published minimum, and where it is attained if that is unique. */
  readonly minimum: number;
  readonly at: readonly number[] | null;
  /** Each residual followed by its partial derivatives. */
  readonly residuals: (x: readonly number[]) => readonly (readonly number[])[];
}

/** f and ∇f. */
export function valueOf(
  { residuals }: TestFunction,
  x: Float64Array,
): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(x.length);
  let loss = 0;
  for (const [r = 0, ...partials] of residuals([...x])) {
    loss += r * r;
    for (const [i, partial] of partials.entries()) gradient[i] = (gradient[i] as number) + 2 * r * partial;
  }
  return { loss, gradient };
}

type Four = [number, number, number, number];

const list = <T>(count: number, of: (i: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, i) => of(i));

export const functions: readonly TestFunction[] = [
  {
    title: 'Rosenbrock (1)',
    start: [-1.2, 1],
    minimum: 0,
    at: [1, 1],
    residuals: ([x = 0, y = 0]) => [
      [10 * (y - x * x), -20 * x, 10],
      [1 - x, -1, 0],
    ],
  },
  {
    title: 'Freudenstein and Roth (2), its local minimum',
    start: [0.5, -2],
    minimum: 48.9842536792,
    at: [11.4127789869, -0.8968052532],
    residuals: ([x = 0, y = 0]) => [
      [-13 + x + ((5 - y) * y - 2) * y, 1, (10 - 3 * y) * y - 2],
      [-29 + x + ((y + 1) * y - 14) * y, 1, (3 * y + 2) * y - 14],
    ],
  },
  {
    title: 'Powell badly scaled (3)',
    start: [0, 1],
    minimum: 0,
    at: null,
    residuals: ([x = 0, y = 0]) => [
      [1e4 * x * y - 1, 1e4 * y, 1e4 * x],
      [Math.exp(-x) + Math.exp(-y) - 1.0001, -Math.exp(-x), -Math.exp(-y)],
    ],
  },
  {
    title: 'Beale (5)',
    start: [1, 1],
    minimum: 0,
    at: [3, 0.5],
    residuals: ([x = 0, y = 0]) =>
      [1.5, 2.25, 2.625].map((c, i) => [
        c - x * (1 - y ** (i + 1)),
        -(1 - y ** (i + 1)),
        x * (i + 1) * y ** i,
      ]),
  },
  {
    title: 'Helical valley (7)',
    start: [-1, 0, 0],
    minimum: 0,
    at: [1, 0, 0],
    residuals: ([x = 0, y = 0, z = 0]) => {
      const r = Math.hypot(x, y);
      const θ = Math.atan(y / x) / (2 * Math.PI) + (x < 0 ? 0.5 : 0);
      const [θx, θy] = [-y / (2 * Math.PI * r * r), x / (2 * Math.PI * r * r)];
      return [
        [10 * (z - 10 * θ), -100 * θx, -100 * θy, 10],
        [10 * (r - 1), (10 * x) / r, (10 * y) / r, 0],
        [z, 0, 0, 1],
      ];
    },
  },
  {
    title: 'Bard (8)',
    start: [1, 1, 1],
    minimum: 8.21487e-3,
    at: null,
    residuals: ([a = 0, b = 0, c = 0]) =>
      [0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.1, 4.39].map(
        (y, k) => {
          const [u, v] = [k + 1, 15 - k];
          const w = Math.min(u, v);
          const q = v * b + w * c;
          return [y - (a + u / q), -1, (u * v) / q ** 2, (u * w) / q ** 2];
        },
      ),
  },
  {
    title: 'Box three-dimensional (12)',
    start: [0, 10, 20],
    minimum: 0,
    at: null,
    residuals: ([a = 0, b = 0, c = 0]) =>
      list(10, (i) => {
        const t = 0.1 * (i + 1);
        const [ea, eb, ec] = [Math.exp(-t * a), Math.exp(-t * b), Math.exp(-t) - Math.exp(-10 * t)];
        return [ea - eb - c * ec, -t * ea, t * eb, -ec];
      }),
  },
  {
    title: 'Powell singular (13)',
    start: [3, -1, 0, 1],
    minimum: 0,
    at: null,
    residuals: (x) => {
      const [a, b, c, d] = x as Four;
      const [u, v] = [b - 2 * c, a - d];
      return [
        [a + 10 * b, 1, 10, 0, 0],
        [Math.sqrt(5) * (c - d), 0, 0, Math.sqrt(5), -Math.sqrt(5)],
        [u * u, 0, 2 * u, -4 * u, 0],
        [Math.sqrt(10) * v * v, 2 * Math.sqrt(10) * v, 0, 0, -2 * Math.sqrt(10) * v],
      ];
    },
  },
  {
    title: 'Wood (14)',
    start: [-3, -1, -3, -1],
    minimum: 0,
    at: [1, 1, 1, 1],
    residuals: (x) => {
      const [a, b, c, d] = x as Four;
      return [
        [10 * (b - a * a), -20 * a, 10, 0, 0],
        [1 - a, -1, 0, 0, 0],
        [Math.sqrt(90) * (d - c * c), 0, 0, -2 * Math.sqrt(90) * c, Math.sqrt(90)],
        [1 - c, 0, 0, -1, 0],
        [Math.sqrt(10) * (b + d - 2), 0, Math.sqrt(10), 0, Math.sqrt(10)],
        [(b - d) / Math.sqrt(10), 0, 1 / Math.sqrt(10), 0, -1 / Math.sqrt(10)],
      ];
    },
  },
  {
    title: 'Brown and Dennis (16)',
    start: [25, 5, -5, -1],
    minimum: 85822.2016,
    at: null,
    residuals: (x) => {
      const [a, b, c, d] = x as Four;
      return list(20, (i) => {
        const t = (i + 1) / 5;
        const [u, v] = [a + t * b - Math.exp(t), c + d * Math.sin(t) - Math.cos(t)];
        return [u * u + v * v, 2 * u, 2 * u * t, 2 * v, 2 * v * Math.sin(t)];
      });
    },
  },
  {
    title: 'extended Rosenbrock (21) of 100 variables',
    start: list(100, (i) => (i % 2 === 0 ? -1.2 : 1)),
    minimum: 0,
    at: list(100, () => 1),
    residuals: (x) =>
      list(100, (i) => {
        const k = i - (i % 2);
        const [u = 0, v = 0] = x.slice(k, k + 2);
        const partials = x.map(() => 0);
        partials[k] = i === k ? -20 * u : -1;
        if (i === k) partials[k + 1] = 10;
        return [i === k ? 10 * (v - u * u) : 1 - u, ...partials];
      }),
  },
  {
    title: 'Broyden tridiagonal (30) of 50 variables',
    start: list(50, () => -1),
    minimum: 0,
    at: null,
    residuals: (x) =>
      list(50, (i) => {
        const [before = 0, u = 0, after = 0] = [x[i - 1], x[i], x[i + 1]];
        const partials = list(50, (j) => (j === i ? 3 - 4 * u : j === i - 1 ? -1 : j === i + 1 ? -2 : 0));
        return [(3 - 2 * u) * u - before - 2 * after + 1, ...partials];
      }),
  },
];
