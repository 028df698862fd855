/**
 * How a group of rows goes through time: the statements of its step, one after another, over all its rows.
 */
import { invariant } from '../../../errors.ts';
import type { CombineStatement, StepProgram } from '../../../kernels/sweep/program.ts';
import { addTo } from './arrays.ts';

/** Where a flow is evaluated. */
export interface Stage {
  readonly step: number;
  readonly slot: number;
  readonly time: number;
}

/** A group's states, rows × components each. */
export interface Trajectory {
  /** At the grid points t_0 … t_T. */
  readonly states: readonly Float64Array[];
  /** What the flows of each step read, by slot. */
  readonly slots: readonly (readonly Float64Array[])[];
}

/** All states of a group; without a step the state at t_0 is the state at every point. */
export function sweepForward(
  step: StepProgram | null,
  times: Float64Array,
  start: Float64Array,
  components: number,
  flow: (stage: Stage, state: Float64Array) => Float64Array,
): Trajectory {
  const states = [start];
  const slots: Float64Array[][] = [];
  let z = start;
  for (let k = 0; k + 1 < times.length; k++) {
    if (step === null) {
      states.push(z);
      slots.push([z]);
      continue;
    }
    const t = times[k]!;
    const h = times[k + 1]! - t;
    const banks = newBanks(z.length);
    banks('z').set(z);
    for (const s of step.forward) {
      if (s.kind === 'combine') combine(s, h, banks, components);
      else if (s.kind === 'flow') {
        const stage = { step: k, slot: s.slot, time: t + s.fraction * h };
        banks(s.slope).set(flow(stage, banks(`slot${s.slot}`)));
      } else invariant(false, 'a forward step holds no transposed flow');
    }
    slots.push(Array.from({ length: step.slots }, (_, slot) => banks(`slot${slot}`)));
    z = banks("z'");
    states.push(z);
  }
  return { states, slots };
}

/**
 * λ_0 = ∂L/∂(state at t_0), when `seed(k)` is what the terms add to λ at t_k (null: nothing) and `transposed` is
 * ζ = F_zᵀ κ at a stage. `after` sees λ once it is complete at each grid point.
 */
export function sweepBackward(
  step: StepProgram | null,
  times: Float64Array,
  size: number,
  components: number,
  seed: (point: number) => Float64Array | null,
  transposed: (stage: Stage, κ: Float64Array) => Float64Array,
  after: (point: number, λ: Float64Array) => void,
): Float64Array {
  let λ: Float64Array = new Float64Array(size);
  const addSeed = (point: number): void => {
    const values = seed(point);
    if (values !== null) addTo(λ, values);
    after(point, λ);
  };
  addSeed(times.length - 1);
  for (let k = times.length - 2; k >= 0; k--) {
    if (step !== null) {
      const t = times[k]!;
      const h = times[k + 1]! - t;
      const banks = newBanks(size);
      banks('λ').set(λ);
      for (const s of step.backward) {
        if (s.kind === 'combine') combine(s, h, banks, components);
        else if (s.kind === 'flow-vjp') {
          const stage = { step: k, slot: s.slot, time: t + s.fraction * h };
          banks(s.result).set(transposed(stage, banks(s.cotangent)));
        } else invariant(false, 'a backward step holds no flow');
      }
      λ = banks('λ');
    }
    addSeed(k);
  }
  return λ;
}

/** Banks of one step, made when first named. */
function newBanks(size: number): (name: string) => Float64Array {
  const banks = new Map<string, Float64Array>();
  return (name) => {
    const known = banks.get(name) ?? new Float64Array(size);
    banks.set(name, known);
    return known;
  };
}

/** target = Σ coefficient · h^power · bank, component by component; what is read is read before it is overwritten. */
function combine(
  { target, terms }: CombineStatement,
  h: number,
  banks: (name: string) => Float64Array,
  components: number,
): void {
  const into = banks(target.bank);
  const from = terms.map((t) => ({
    factor: t.power === 1 ? t.coefficient * h : t.coefficient,
    bank: banks(t.bank),
    start: t.start,
  }));
  for (let row = 0; row < into.length; row += components) {
    for (let c = 0; c < target.width; c++) {
      let sum = 0;
      for (const { factor, bank, start } of from) sum += factor * bank[row + start + c]!;
      into[row + target.start + c] = sum;
    }
  }
}
