/** Gradient descent at a fixed rate, projected into the box: x⁺ = P(x − rate ∇L(x)). */
import { clamp } from './box.ts';
import { iterateOf, type Method } from './method.ts';
import { along } from './vector.ts';

export interface GdMemory {
  readonly kind: 'gd';
}

export const gd: Method<GdMemory> = {
  begin: () => ({ kind: 'gd' }),
  leave: ({ box, rate }, memory, { point, gradient }) => ({
    memory,
    point: clamp(box, along(point, -rate, gradient)),
  }),
  judge: (_tuning, memory, _at, point, seen) => {
    const iterate = iterateOf(point, seen);
    return iterate === null ? { kind: 'diverged' } : { kind: 'accept', memory, iterate };
  },
};
