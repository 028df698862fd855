/** The two-stage methods of order 2. */
import type { RungeKutta } from './scheme.ts';

/** The explicit trapezoidal rule. */
export const heun: RungeKutta = {
  kind: 'runge-kutta',
  name: 'heun',
  order: 2,
  a: [[], [1]],
  b: [1 / 2, 1 / 2],
  c: [0, 1],
  embedded: null,
  citation:
    'Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, 2nd ed., Springer 1993, §II.1',
};

/** The two-stage method of least error bound. */
export const ralston: RungeKutta = {
  kind: 'runge-kutta',
  name: 'ralston',
  order: 2,
  a: [[], [2 / 3]],
  b: [1 / 4, 3 / 4],
  c: [0, 2 / 3],
  embedded: null,
  citation:
    'Ralston, Runge-Kutta methods with minimum error bounds, Math. Comp. 16 (1962) 431–437, eq. (3.5)',
};
