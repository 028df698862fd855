/**
 * How each value of a kernel is written: in a local of its own, inside the expression that uses it, or not at all
 * because multiply-adds have taken it in.
 *
 *   inline      one use, in the same scope, and no chain of steps: it stays on the stack
 *   absorbed    a multiplication of which every use is an addend that madd or nmadd can multiply itself
 *   held        everything else: computed once, into a local
 */
import { invariant } from '../../errors.ts';
import type { Accumulator, Kernel, KernelScatter, Step, Value, ValueId } from '../ir/kernel.ts';
import type { LaneInstruction } from '../ops/op.ts';
import { type OpName, opNamed } from '../ops/table.ts';
import { isChain, type PreludeName } from './prelude.ts';

/** One addend of what an accumulator or a scatter adds up. */
interface Term {
  readonly value: ValueId;
  readonly negative: boolean;
}

export type Sink = Accumulator | KernelScatter;

export interface Uses {
  readonly styleOf: (id: ValueId) => 'absorbed' | 'held' | 'inline';
  /** Which operand of an addition or subtraction is multiplied by madd or nmadd; null: neither. */
  readonly fusedOperand: (id: ValueId) => 0 | 1 | null;
  /** What a sum adds, one after another. */
  readonly termsOf: (sink: Sink) => readonly Term[];
  /** Whether a value only ever selects: it is then held as a mask of bits, not as 0 and 1. */
  readonly isMask: (id: ValueId) => boolean;
}

/** The one lane instruction an op is, or null when it is an expansion. */
export function instructionOf(op: OpName): LaneInstruction | null {
  const { wasm } = opNamed(op);
  return wasm.kind === 'instruction' ? wasm.name : null;
}

/** The expansion an op is when that is a chain of steps, else null. */
export function chainOf(op: OpName): PreludeName | null {
  const { wasm } = opNamed(op);
  return wasm.kind === 'prelude' && isChain(wasm.name) ? wasm.name : null;
}

/** Which instance of a scope a value is computed in: once a call, once a row, otherwise a loop's number. */
type ScopeId = number;
const callScope: ScopeId = -2;
const rowScope: ScopeId = -1;

interface Place {
  readonly scope: ScopeId;
  readonly varies: boolean;
}

/** Something that uses a value. */
type User =
  | { readonly kind: 'result' }
  | { readonly kind: 'sink' | 'where'; readonly sink: Sink; readonly scope: ScopeId }
  | { readonly kind: 'condition' | 'value'; readonly id: ValueId };

export function usesOf(kernel: Kernel, fma: boolean): Uses {
  const scopes = scopesOf(kernel);
  const sinks = sinksOf(kernel.steps);
  const users = usersOf(kernel, sinks);
  const usersAt = (id: ValueId): readonly User[] => users.get(id) ?? [];
  const valueAt = (id: ValueId): Value => {
    const v = kernel.values[id];
    invariant(v !== undefined, 'steps name values of their kernel');
    return v;
  };
  const argsOf = (id: ValueId): readonly ValueId[] => {
    const v = valueAt(id);
    return v.kind === 'apply' ? v.args : [];
  };
  const isInstruction = (id: ValueId, name: LaneInstruction): boolean => {
    const v = valueAt(id);
    return v.kind === 'apply' && instructionOf(v.op) === name;
  };
  const stepwise = (id: ValueId): boolean => {
    const v = valueAt(id);
    return v.kind === 'apply' && chainOf(v.op) !== null;
  };
  const placeOf = (id: ValueId): Place => ({ scope: scopes.get(id) ?? rowScope, varies: valueAt(id).varies });
  const placeOfSink = (sink: Sink, scope: ScopeId): Place => ({ scope, varies: sinkVaries(kernel, sink) });
  const multipliesAt = (id: ValueId, at: Place): boolean =>
    fma && isInstruction(id, 'mul') && together(placeOf(id), at);

  // What each sum adds: a sum with a product among its operands is taken apart, so that the product fuses.
  const dissolved = new Set<ValueId>();
  const dissolve = (id: ValueId, negative: boolean, at: Place): readonly Term[] => {
    const whole = [{ value: id, negative }];
    const [a, b] = argsOf(id);
    if (a === undefined || usersAt(id).length !== 1 || !together(placeOf(id), at)) return whole;
    if (isInstruction(id, 'neg')) {
      dissolved.add(id);
      return dissolve(a, !negative, at);
    }
    const isSum = isInstruction(id, 'add') || isInstruction(id, 'sub');
    if (b === undefined || !isSum || (!multipliesAt(a, at) && !multipliesAt(b, at))) return whole;
    dissolved.add(id);
    return [...dissolve(a, negative, at), ...dissolve(b, isInstruction(id, 'sub') !== negative, at)];
  };
  const terms = new Map<Sink, readonly Term[]>(
    sinks.map(({ sink, scope }) => [
      sink,
      addsFreely(sink)
        ? dissolve(sink.value, false, placeOfSink(sink, scope))
        : [{ value: sink.value, negative: false }],
    ]),
  );

  // Which products additions and sums would like to multiply themselves.
  const wanted = new Map<ValueId, number>();
  const want = (id: ValueId): void => {
    wanted.set(id, (wanted.get(id) ?? 0) + 1);
  };
  const fused = new Map<ValueId, 0 | 1>();
  for (const id of kernel.values.keys()) {
    if (dissolved.has(id) || (!isInstruction(id, 'add') && !isInstruction(id, 'sub'))) continue;
    const [a, b] = argsOf(id);
    if (a === undefined || b === undefined || a === b) continue;
    const first = isInstruction(id, 'add') && multipliesAt(a, placeOf(id));
    const second = multipliesAt(b, placeOf(id));
    if (!first && !second) continue;
    // Rather the product that nobody else needs.
    const n = second && (!first || usersAt(b).length <= usersAt(a).length) ? 1 : 0;
    fused.set(id, n);
    want(n === 1 ? b : a);
  }
  for (const { sink, scope } of sinks) {
    if (!addsFreely(sink)) continue;
    for (const { value } of terms.get(sink) ?? []) {
      if (multipliesAt(value, placeOfSink(sink, scope))) want(value);
    }
  }
  const absorbed = new Set([...wanted].flatMap(([id, count]) => (count === usersAt(id).length ? [id] : [])));

  // How often each expression is written, and with it each operand: users have higher ids.
  const written = new Map<ValueId, number>();
  const inline = new Set<ValueId>();
  for (let id = kernel.values.length - 1; id >= 0; id--) {
    const count = usersAt(id).reduce((n, u) => n + ('id' in u ? (written.get(u.id) ?? 1) : 1), 0);
    const absorbs = absorbed.has(id) || dissolved.has(id);
    written.set(id, absorbs ? count : 1);
    const [only] = usersAt(id);
    if (absorbs || count !== 1 || only === undefined || only.kind === 'result' || stepwise(id)) continue;
    const at = 'id' in only ? placeOf(only.id) : placeOfSink(only.sink, only.scope);
    if (together(placeOf(id), at)) inline.add(id);
  }

  return {
    styleOf: (id) =>
      absorbed.has(id) || dissolved.has(id) ? 'absorbed' : inline.has(id) ? 'inline' : 'held',
    fusedOperand: (id) => {
      const n = fused.get(id);
      const arg = n === undefined ? undefined : argsOf(id)[n];
      return n !== undefined && arg !== undefined && absorbed.has(arg) ? n : null;
    },
    termsOf: (sink) => terms.get(sink) ?? [],
    isMask: (id) =>
      valueAt(id).kind !== 'accumulated' &&
      usersAt(id).length > 0 &&
      usersAt(id).every((u) => u.kind === 'condition' || u.kind === 'where'),
  };
}

/** Whether what a sink adds up differs between own rows. */
export function sinkVaries(kernel: Kernel, sink: Sink): boolean {
  const varies = (id: ValueId): boolean => kernel.values[id]?.varies ?? true;
  return varies(sink.value) || (sink.where !== null && varies(sink.where));
}

const together = (a: Place, b: Place): boolean => a.scope === b.scope && a.varies === b.varies;

/** Whether what is added need not pass a selection first. */
const addsFreely = (sink: Sink): boolean => sink.where === null && (!('by' in sink) || sink.by === 'sum');

/** Every accumulator and scatter with the number of its loop. */
function sinksOf(steps: readonly Step[]): readonly { readonly sink: Sink; readonly scope: ScopeId }[] {
  return steps.flatMap((s) =>
    s.kind === 'compute'
      ? []
      : [...sinksOf(s.steps), ...[...s.accumulators, ...s.scatters].map((sink) => ({ sink, scope: s.id }))],
  );
}

/** The scope instance each value is computed in. */
function scopesOf(kernel: Kernel): ReadonlyMap<ValueId, ScopeId> {
  const scopes = new Map<ValueId, ScopeId>();
  const walk = (steps: readonly Step[], scope: ScopeId): void => {
    for (const step of steps) {
      if (step.kind === 'loop') walk(step.steps, step.id);
      else {
        const once = scope === rowScope && kernel.values[step.value]?.varies === false;
        scopes.set(step.value, once ? callScope : scope);
      }
    }
  };
  walk(kernel.steps, rowScope);
  return scopes;
}

function usersOf(
  kernel: Kernel,
  sinks: readonly { readonly sink: Sink; readonly scope: ScopeId }[],
): ReadonlyMap<ValueId, readonly User[]> {
  const users = new Map<ValueId, User[]>();
  const add = (id: ValueId, user: User): void => {
    const known = users.get(id);
    if (known === undefined) users.set(id, [user]);
    else known.push(user);
  };
  for (const [id, v] of kernel.values.entries()) {
    if (v.kind !== 'apply') continue;
    for (const [n, a] of v.args.entries()) {
      add(a, { kind: v.op === 'select' && n === 0 ? 'condition' : 'value', id });
    }
  }
  for (const { sink, scope } of sinks) {
    add(sink.value, { kind: 'sink', sink, scope });
    if (sink.where !== null) add(sink.where, { kind: 'where', sink, scope });
  }
  for (const id of [...kernel.planes.flatMap((p) => p.values), ...kernel.rowSums.map((r) => r.value)]) {
    add(id, { kind: 'result' });
  }
  return users;
}
