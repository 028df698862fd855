/** A minimisation in one loop, for tests: what the coordinator does with a run, done with a function. */

import type { Iterate, Seen } from '../../../src/coordinator/optimizers/method.ts';
import {
  advance,
  begin,
  type OptimizerState,
  type Reason,
  type Rules,
  type Step,
} from '../../../src/coordinator/optimizers/optimizer.ts';

/** Rules without bounds; only what differs is said. */
export function rulesFor(variables: number, change: Partial<Rules> = {}): Rules {
  return {
    method: 'lbfgs',
    iterations: 500,
    evaluations: 2000,
    gradientTolerance: 1e-6,
    decreaseTolerance: 0,
    rate: 0.01,
    memory: 10,
    noise: 1e-14,
    box: {
      lower: new Float64Array(variables).fill(-Infinity),
      upper: new Float64Array(variables).fill(Infinity),
    },
    ...change,
  };
}

export interface Minimised {
  readonly reason: Reason;
  readonly optimum: Iterate;
  readonly steps: readonly Step[];
  /** Every point at which the function was evaluated. */
  readonly asked: readonly Float64Array[];
  readonly state: OptimizerState;
}

/** From a start, or from a state, to the end. */
export function minimise(
  rules: Rules,
  start: OptimizerState | readonly number[],
  evaluate: (x: Float64Array) => Seen,
  onStep: (state: OptimizerState) => void = () => {},
): Minimised {
  const steps: Step[] = [];
  const asked: Float64Array[] = [];
  let state = 'memory' in start ? start : begin(rules, Float64Array.from(start));
  for (;;) {
    asked.push(state.point);
    const { state: next, taken, done } = advance(rules, state, evaluate(state.point));
    state = next;
    if (taken !== null) steps.push(taken);
    if (done !== null) return { ...done, steps, asked, state };
    if (taken !== null) onStep(state);
  }
}
