/**
 * Which banks a group needs besides its stored states, and where they lie in its work area.
 */
import { invariant } from '../../errors.ts';
import type { StepProgram } from '../sweep/program.ts';
import { vectorBytes } from './frame.ts';
import type { WorkBank, WorkPlan } from './sweep-plan.ts';

/** Collects the work area of a group. */
export interface WorkBuilder {
  /** Reserves planes `stride` bytes apart, or extends the bank of that name. */
  readonly planes: (name: string, components: number) => void;
  /** Reserves 16-byte vectors. */
  readonly vectors: (name: string, count: number) => void;
  /** Byte offset of a reserved bank; every bank is reserved before any offset is asked for. */
  readonly offset: (name: string) => number;
  readonly has: (name: string) => boolean;
  readonly plan: () => WorkPlan;
}

export function workBuilder(stride: number): WorkBuilder {
  const sizes = new Map<string, { bytes: number; components: number }>();
  let settled: WorkPlan | null = null;
  const reserve = (name: string, bytes: number, components: number): void => {
    const known = sizes.get(name);
    if (known !== undefined && known.bytes >= bytes) return;
    invariant(settled === null, `bank ${name} is reserved before addresses are settled`);
    sizes.set(name, { bytes, components });
  };
  const plan = (): WorkPlan => {
    settled ??= layOut(sizes);
    return settled;
  };
  return {
    planes: (name, components) => reserve(name, components * stride, components),
    vectors: (name, count) => reserve(name, count * vectorBytes, 0),
    offset: (name) => {
      const bank = plan().banks[name];
      invariant(bank !== undefined, `bank ${name} was reserved`);
      return bank.offset;
    },
    has: (name) => sizes.has(name),
    plan,
  };
}

/** Every bank that the statements of a step name, except those that are stored states. */
export function reserveStep(
  work: WorkBuilder,
  step: StepProgram,
  stateComponents: number,
  backward: boolean,
): void {
  const stored = /^(z'?|slot\d+)$/;
  const need = (bank: string, components: number): void => {
    if (!stored.test(bank)) work.planes(bank, components);
  };
  for (const statement of backward ? [...step.forward, ...step.backward] : step.forward) {
    switch (statement.kind) {
      case 'combine':
        need(statement.target.bank, statement.target.start + statement.target.width);
        for (const t of statement.terms) need(t.bank, t.start + statement.target.width);
        break;
      case 'flow':
        need(statement.slope, stateComponents);
        break;
      case 'flow-vjp':
        need(statement.cotangent, stateComponents);
        need(statement.result, stateComponents);
        break;
    }
  }
}

function layOut(
  sizes: ReadonlyMap<string, { readonly bytes: number; readonly components: number }>,
): WorkPlan {
  const banks: Record<string, WorkBank> = {};
  let next = 0;
  for (const [name, { bytes, components }] of sizes) {
    banks[name] = { offset: next, bytes, components };
    next += bytes;
  }
  return { bytes: next, banks };
}
