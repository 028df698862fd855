/** The forward Euler method. */
import type { RungeKutta } from './scheme.ts';

export const euler: RungeKutta = {
  kind: 'runge-kutta',
  name: 'euler',
  order: 1,
  a: [[]],
  b: [1],
  c: [0],
  embedded: null,
  citation:
    'Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, 2nd ed., Springer 1993, §I.7',
};
