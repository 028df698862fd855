/**
 * Adam, projected into the box: x⁺ = P(x − rate m̂ / (√v̂ + ε)), with m̂ and v̂ the running means of g and g², their bias
 * taken out.
 *
 * Kingma & Ba, _Adam: a method for stochastic optimization_, ICLR 2015, algorithm 1.
 */
import { clamp } from './box.ts';
import { iterateOf, type Method } from './method.ts';

export interface AdamMemory {
  readonly kind: 'adam';
  readonly steps: number;
  /** m and v; empty before the first step. */
  readonly mean: Float64Array;
  readonly square: Float64Array;
}

/** The paper's defaults. */
const [β1, β2, ε] = [0.9, 0.999, 1e-8];

export const adam: Method<AdamMemory> = {
  begin: () => ({ kind: 'adam', steps: 0, mean: new Float64Array(0), square: new Float64Array(0) }),
  leave: ({ box, rate }, memory, { point, gradient }) => {
    const steps = memory.steps + 1;
    const mean = gradient.map((g, i) => β1 * (memory.mean[i] ?? 0) + (1 - β1) * g);
    const square = gradient.map((g, i) => β2 * (memory.square[i] ?? 0) + (1 - β2) * g * g);
    const [meanWeight, squareWeight] = [1 - β1 ** steps, 1 - β2 ** steps];
    const next = point.map((x, i) => {
      const [m, v] = [(mean[i] as number) / meanWeight, (square[i] as number) / squareWeight];
      return x - (rate * m) / (Math.sqrt(v) + ε);
    });
    return { memory: { kind: 'adam', steps, mean, square }, point: clamp(box, next) };
  },
  judge: (_tuning, memory, _at, point, seen) => {
    const iterate = iterateOf(point, seen);
    return iterate === null ? { kind: 'diverged' } : { kind: 'accept', memory, iterate };
  },
};
