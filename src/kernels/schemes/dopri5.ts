/** The Dormand–Prince method of order 5 with its embedded order 4. */
import type { RungeKutta } from './scheme.ts';

/** Six stages matter to the solution; the seventh is the flow at its end and serves the error estimate alone. */
export const dopri5: RungeKutta = {
  kind: 'runge-kutta',
  name: 'dopri5',
  order: 5,
  a: [
    [],
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  ],
  b: [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
  c: [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1],
  embedded: {
    weights: [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40],
    order: 4,
  },
  citation:
    'Dormand & Prince, A family of embedded Runge-Kutta formulae, J. Comp. Appl. Math. 6 (1980) 19–26; error weights: Hairer, Nørsett & Wanner 1993, code DOPRI5',
};
