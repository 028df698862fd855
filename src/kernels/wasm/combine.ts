/**
 * How a combination of banks is written as loops over vectors: target = Σ coefficient · h^power · bank.
 */
import type { CombineStatement } from '../sweep/program.ts';
import type { Body, Local } from './body.ts';
import {
  add,
  type Code,
  code,
  get,
  i32,
  load,
  loopRange,
  plus,
  seq,
  set,
  store,
  zeroVector,
} from './code.ts';
import { type Lane, lanes, vectorBytes } from './frame.ts';

/** Where a plane begins: a base address and a constant distance. */
export interface Place {
  readonly base: Local;
  readonly offset: number;
}

export interface CombineContext {
  readonly lane: Lane;
  /** Bytes between planes. */
  readonly stride: number;
  /** i32: bytes of a plane that are worked on, a multiple of 16. */
  readonly bytes: Local;
  /** f64: the step. */
  readonly h: Local;
  readonly place: PlaceOf;
}

/** Where component `start` of a bank begins. */
export type PlaceOf = (bank: string, start: number) => Place;

/** The statement as code. Copying planes onto themselves is no code. */
export function combineCode(b: Body, statement: CombineStatement, context: CombineContext): Code {
  const { lane, stride } = context;
  const { target, terms } = statement;
  const to = context.place(target.bank, target.start);
  const from = terms.map((t) => ({ ...t, place: context.place(t.bank, t.start) }));
  const [only] = from;
  const unchanged =
    from.length === 1 && only?.coefficient === 1 && only.power === 0 && samePlace(only.place, to);
  if (unchanged || target.width === 0) return seq();

  const plane = b.borrow('i32');
  const at = b.borrow('i32');
  const factors = from.map((t) => (t.coefficient === 1 && t.power === 0 ? null : b.borrow('v128')));
  const vectorOf = (t: (typeof from)[number], k: number): Code => {
    const value = load('v128.load', add(get(t.place.base), get(at)), t.place.offset);
    const factor = factors[k];
    return factor === null || factor === undefined ? value : code(`${lane}.mul`, get(factor), value);
  };
  const [first, ...rest] = from.map(vectorOf);
  const sum =
    first === undefined ? zeroVector : rest.reduce((acc, term) => code(`${lane}.add`, acc, term), first);
  b.release(plane, at, ...factors.filter((f) => f !== null));
  return seq(
    ...from.flatMap((t, k) => {
      const factor = factors[k];
      if (factor === null || factor === undefined) return [];
      const value: Code =
        t.power === 0
          ? f64Const(t.coefficient)
          : t.coefficient === 1
            ? get(context.h)
            : code('f64.mul', f64Const(t.coefficient), get(context.h));
      return [set(factor, splat(lane, value))];
    }),
    loopRange(
      plane,
      i32(0),
      i32(target.width * stride),
      stride,
      loopRange(
        at,
        get(plane),
        add(get(plane), get(context.bytes)),
        vectorBytes,
        store('v128.store', add(get(to.base), get(at)), sum, to.offset),
      ),
    ),
  );
}

/** target += source for planes, over `bytes` bytes each. */
export function addPlanes(
  b: Body,
  lane: Lane,
  stride: number,
  components: number,
  bytes: Local,
  target: Code,
  source: Code,
): Code {
  if (components === 0) return seq();
  const [plane, at, to, from] = [b.borrow('i32'), b.borrow('i32'), b.borrow('i32'), b.borrow('i32')] as const;
  b.release(plane, at, to, from);
  return seq(
    set(to, target),
    set(from, source),
    loopRange(
      plane,
      i32(0),
      i32(components * stride),
      stride,
      loopRange(
        at,
        get(plane),
        add(get(plane), get(bytes)),
        vectorBytes,
        store(
          'v128.store',
          add(get(to), get(at)),
          code(
            `${lane}.add`,
            load('v128.load', add(get(to), get(at))),
            load('v128.load', add(get(from), get(at))),
          ),
        ),
      ),
    ),
  );
}

/** An f64 as a vector of equal lanes, rounded to the lane's scalar. */
export function splat(lane: Lane, value: Code): Code {
  return code(`${lane}.splat`, lanes[lane].scalar === 'f32' ? code('f32.demote_f64', value) : value);
}

/** The address of a place. */
export const addressOf = (place: Place): Code => plus(get(place.base), place.offset);

const f64Const =
  (value: number): Code =>
  (b) => {
    b.emit('f64.const', value);
  };

const samePlace = (a: Place, b: Place): boolean => a.base === b.base && a.offset === b.offset;
