/** The classical method of order 4. */
import type { RungeKutta } from './scheme.ts';

export const rk4: RungeKutta = {
  kind: 'runge-kutta',
  name: 'rk4',
  order: 4,
  a: [[], [1 / 2], [0, 1 / 2], [0, 0, 1]],
  b: [1 / 6, 1 / 3, 1 / 3, 1 / 6],
  c: [0, 1 / 2, 1 / 2, 1],
  embedded: null,
  citation:
    'Kutta, Zeitschrift für Mathematik und Physik 46 (1901) 435–453; Hairer, Nørsett & Wanner 1993, table II.1.2',
};
