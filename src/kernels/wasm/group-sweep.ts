/**
 * How the loop over time of one group is written: forward over steps [k0, k1), backward over the same steps.
 *
 * The functions read their context (`context.ts`). Fields:
 *
 *   rows, firstRow   real rows and the number of the first (tracers: of this block; sources: of this thread)
 *   bytes            bytes of a plane that are worked on: rows padded to whole vectors
 *   states           address of the stored states of step 0, which may lie outside memory when only some steps are held
 *   work             address of the group's other banks
 *   table            sources' states as rows of scalars, [step][slot]
 *   times            f64 t_k
 *   gamma            Γ as f64s, [step][slot], of this partial;   tail: gradients of what does not move
 *
 * Bank `z` of step k is slot 0 of step k and `z'` is slot 0 of step k + 1: nothing is copied between steps.
 */
import { invariant } from '../../errors.ts';
import { blockRows } from '../block.ts';
import type { FlowVjpStatement, Statement, StepProgram } from '../sweep/program.ts';
import type { Body, Local } from './body.ts';
import {
  add,
  type Code,
  call,
  code,
  get,
  i32,
  load,
  loopRange,
  loopWhile,
  mul,
  plus,
  seq,
  set,
  sub,
  when,
} from './code.ts';
import { addPlanes, addressOf, type CombineContext, combineCode, type PlaceOf } from './combine.ts';
import type { ContextBuilder } from './context.ts';
import { callKernel, type Destinations, moveSums, type Site } from './kernel-call.ts';
import type { FunctionRef, ModuleBuilder } from './module.ts';
import { constantGradient, constantPart } from './names.ts';
import { type GroupShape, rowsOf, type Shapes, tailOffset } from './shapes.ts';
import type { SourceFunctions } from './source-functions.ts';
import type { VectorFunctions } from './vectors.ts';
import type { WorkBuilder } from './work.ts';

export interface GroupEmission {
  readonly module: ModuleBuilder;
  readonly shapes: Shapes;
  readonly group: GroupShape;
  readonly context: ContextBuilder;
  readonly work: WorkBuilder;
  readonly helpers: VectorFunctions;
  readonly step: StepProgram;
  readonly flow: Site | null;
  readonly vjp: Site | null;
  /** What the sources' sweep does besides: publish states, meet other threads, gather. null: tracers. */
  readonly sources: SourceFunctions | null;
  /** (context, point, mode): terms at a grid point; null: the group has none. */
  readonly visit: FunctionRef | null;
  /** Whether flows alone leave Γ, once at every slot: then they write it instead of adding to zeros. */
  readonly writesGamma: boolean;
}

const sweepParameters = [
  ['context', 'i32'],
  ['from', 'i32'],
  ['to', 'i32'],
  ['mode', 'i32'],
] as const;

/** Locals every sweep has, loaded from the context. */
interface SweepLocals {
  readonly context: Local;
  readonly work: Local;
  readonly bytes: Local;
  /** Stored states of step k. */
  readonly state: Local;
  readonly k: Local;
  readonly t: Local;
  readonly h: Local;
}

export function emitForward(e: GroupEmission, name: string): FunctionRef {
  const { step } = e;
  return e.module.define(name, { parameters: sweepParameters, results: [] }, (b, context, from, to, mode) => {
    const l = sweepLocals(b, context);
    const place = placeIn(e, l);
    const combine = combineContext(e, l, place);
    const published = new Set<number>();
    const publish = (slot: number): Code => {
      if (e.sources === null || published.has(slot)) return seq();
      published.add(slot);
      return e.sources.publish(l.context, addressOf(place(`slot${slot}`, 0)), tableIndex(e, l, slot));
    };
    const write = (statement: Statement): Code => {
      switch (statement.kind) {
        case 'combine':
          return combineCode(b, statement, combine);
        case 'flow':
          return seq(
            publish(statement.slot),
            overBlocks(b, e, l, (shift) =>
              e.flow === null
                ? seq()
                : callKernel(e.flow, e.shapes.lane, l.context, {
                    time: timeAt(l, statement.fraction),
                    banks: {
                      state: add(addressOf(place(`slot${statement.slot}`, 0)), shift),
                      ...constantBanks(e, l, shift),
                    },
                    tables: { 'sources.state': tableAddress(e, l, statement.slot) },
                    planes: { slope: add(addressOf(place(statement.slope, 0)), shift) },
                    ...blockRowsOf(e, l, shift),
                  }),
            ),
          );
        case 'flow-vjp':
          return invariant(false, 'a forward step holds no transposed flow') as never;
      }
    };
    // What a flow reads is published before it; what none has read, after all of them: in this order.
    const statements = step.forward.map(write);
    const rest = Array.from({ length: step.slots }, (_, slot) => publish(slot));
    seq(
      loadSweep(e, l, get(from)),
      set(l.k, get(from)),
      loopWhile(
        code('i32.lt_s', get(l.k), get(to)),
        loadTime(e, l),
        ...(e.visit === null ? [] : [when(get(mode), call(e.visit, get(context), get(l.k), get(mode)))]),
        ...statements,
        ...rest,
        set(l.state, plus(get(l.state), stepBytes(e))),
        set(l.k, plus(get(l.k), 1)),
      ),
      // The state a sweep ends with is a grid state that terms may read.
      e.sources === null
        ? seq()
        : e.sources.publish(l.context, addressOf(place('slot0', 0)), tableIndex(e, l, 0)),
    )(b);
  });
}

export function emitBackward(e: GroupEmission, name: string): FunctionRef {
  const { step } = e;
  return e.module.define(name, { parameters: sweepParameters, results: [] }, (b, context, from, to, mode) => {
    const l = sweepLocals(b, context);
    const place = placeIn(e, l);
    const combine = combineContext(e, l, place);
    const gathered = new Set<number>();
    const write = (statement: Statement): Code => {
      switch (statement.kind) {
        case 'combine':
          return combineCode(b, statement, combine);
        case 'flow': {
          return invariant(false, 'a backward step holds no flow') as never;
        }
        case 'flow-vjp': {
          const { slot, result } = statement;
          const { vjp } = e;
          const first = !gathered.has(slot);
          gathered.add(slot);
          const zeros = { bank: result, start: 0, width: e.group.stateComponents };
          return seq(
            writes(vjp, 'state')
              ? seq()
              : combineCode(b, { kind: 'combine', target: zeros, terms: [] }, combine),
            vjp === null
              ? seq()
              : overBlocks(b, e, l, (shift) => flowVjp(e, vjp, l, place, shift, statement)),
            writes(vjp, 'constant')
              ? addPlanes(
                  b,
                  e.shapes.lane,
                  e.group.stride,
                  e.group.constantComponents,
                  l.bytes,
                  addressOf(place(constantGradient, 0)),
                  addressOf(place(constantPart, 0)),
                )
              : seq(),
            e.sources === null
              ? seq()
              : e.sources.gather(
                  l.context,
                  addressOf(place(result, 0)),
                  first && slot > 0 ? gammaAddress(e, l, slot) : null,
                ),
          );
        }
      }
    };
    // Γ of slot 0 belongs to the grid state itself: no stage stands between them.
    const seed =
      e.sources === null ? seq() : e.sources.seed(l.context, addressOf(place('λ', 0)), gammaAddress(e, l, 0));
    seq(
      set(l.k, get(to)),
      loadSweep(e, l, get(l.k)),
      seed,
      set(l.k, sub(get(l.k), i32(1))),
      set(l.state, sub(get(l.state), i32(stepBytes(e)))),
      loopWhile(
        code('i32.ge_s', get(l.k), get(from)),
        loadTime(e, l),
        ...step.backward.map(write),
        seed,
        ...(e.visit === null ? [] : [call(e.visit, get(context), get(l.k), get(mode))]),
        set(l.state, sub(get(l.state), i32(stepBytes(e)))),
        set(l.k, sub(get(l.k), i32(1))),
      ),
    )(b);
  });
}

/** Transposed flow of one block: ζ, then what it adds to others. */
function flowVjp(
  e: GroupEmission,
  vjp: Site,
  l: SweepLocals,
  place: PlaceOf,
  shift: Code,
  statement: FlowVjpStatement,
): Code {
  const { slot, fraction, cotangent, result } = statement;
  const shifted = (bank: string): Code => add(addressOf(place(bank, 0)), shift);
  return seq(
    callKernel(vjp, e.shapes.lane, l.context, {
      time: timeAt(l, fraction),
      banks: {
        state: shifted(`slot${slot}`),
        'cotangent:slope': shifted(cotangent),
        ...constantBanks(e, l, shift),
      },
      tables: { 'sources.state': tableAddress(e, l, slot) },
      planes: { state: shifted(result), constant: shifted(constantPart) },
      ...blockRowsOf(e, l, shift),
    }),
    moveSums(vjp, l.context, e.helpers, (over) => rowsOf(e.shapes, over), destinations(e, l, slot, shift)),
  );
}

const writes = (site: Site | null, plane: string): boolean =>
  site?.kernel.planes.some((p) => p.bank === plane) ?? false;

/** Γ of the slot for tracers; the block's own sums for sources, which `gather` reads. */
function destinations(e: GroupEmission, l: SweepLocals, slot: number, shift: Code): Destinations {
  if (e.sources !== null) return e.sources.destinations(l.context, shift);
  const tail = load('i32.load', get(l.context), e.context.field('tail'));
  return {
    table: (name) =>
      name === 'sources.state' ? gammaAddress(e, l, slot) : plus(tail, tailOffset(e.shapes, name)),
    written: (name) => e.writesGamma && name === 'sources.state',
    params: plus(tail, e.shapes.tail.params * 8),
    sums: null,
  };
}

// --- addresses --------------------------------------------------------------------------------------------

function sweepLocals(b: Body, context: Local): SweepLocals {
  return {
    context,
    work: b.local('i32', 'work'),
    bytes: b.local('i32', 'bytes'),
    state: b.local('i32', 'state'),
    k: b.local('i32', 'k'),
    t: b.local('f64', 't'),
    h: b.local('f64', 'h'),
  };
}

const slotBytes = (e: GroupEmission): number => e.group.stateComponents * e.group.stride;
const stepBytes = (e: GroupEmission): number => e.step.slots * slotBytes(e);

function loadSweep(e: GroupEmission, l: SweepLocals, k: Code): Code {
  const field = (name: string): Code => load('i32.load', get(l.context), e.context.field(name));
  return seq(
    set(l.work, field('work')),
    set(l.bytes, field('bytes')),
    set(l.state, add(field('states'), mul(k, i32(stepBytes(e))))),
  );
}

function loadTime(e: GroupEmission, l: SweepLocals): Code {
  const at = add(load('i32.load', get(l.context), e.context.field('times')), mul(get(l.k), i32(8)));
  return seq(set(l.t, load('f64.load', at)), set(l.h, code('f64.sub', load('f64.load', at, 8), get(l.t))));
}

/** t_k + fraction · h, in f64. */
function timeAt(l: SweepLocals, fraction: number): Code {
  if (fraction === 0) return get(l.t);
  const part: Code =
    fraction === 1 ? get(l.h) : code('f64.mul', (b) => b.emit('f64.const', fraction), get(l.h));
  return code('f64.add', get(l.t), part);
}

function placeIn(e: GroupEmission, l: SweepLocals): PlaceOf {
  const { stride } = e.group;
  return (bank, start) => {
    const slot = bank === 'z' ? 0 : bank === "z'" ? e.step.slots : slotNumber(bank);
    if (slot !== null) return { base: l.state, offset: slot * slotBytes(e) + start * stride };
    return { base: l.work, offset: e.work.offset(bank) + start * stride };
  };
}

function slotNumber(bank: string): number | null {
  const match = /^slot(\d+)$/.exec(bank);
  return match === null ? null : Number(match[1]);
}

function combineContext(e: GroupEmission, l: SweepLocals, place: CombineContext['place']): CombineContext {
  return { lane: e.shapes.lane, stride: e.group.stride, bytes: l.bytes, h: l.h, place };
}

/** k · slots + slot. */
const tableIndex = (e: GroupEmission, l: SweepLocals, slot: number): Code =>
  plus(mul(get(l.k), i32(e.step.slots)), slot);

function tableAddress(e: GroupEmission, l: SweepLocals, slot: number): Code {
  const { sources, scalar } = e.shapes;
  const table = load('i32.load', get(l.context), e.context.field('table'));
  return add(table, mul(tableIndex(e, l, slot), i32(sources.rows * sources.stateComponents * scalar)));
}

function gammaAddress(e: GroupEmission, l: SweepLocals, slot: number): Code {
  const { sources } = e.shapes;
  const gamma = load('i32.load', get(l.context), e.context.field('gamma'));
  return add(gamma, mul(tableIndex(e, l, slot), i32(sources.rows * sources.stateComponents * 8)));
}

// --- blocks of rows ---------------------------------------------------------------------------------------

/** For tracers the context is one block; sources go block by block, `shift` bytes into each plane. */
function overBlocks(b: Body, e: GroupEmission, l: SweepLocals, inside: (shift: Code) => Code): Code {
  if (e.sources === null) return inside(i32(0));
  const shift = b.borrow('i32');
  const body = inside(get(shift));
  b.release(shift);
  return loopRange(shift, i32(0), get(l.bytes), blockRows * e.shapes.scalar, body);
}

/**
 * Own constants and arrays of integrals: those of the sources lie in one bank for all blocks; those of tracers the host
 * has put into the frame.
 */
function constantBanks(e: GroupEmission, l: SweepLocals, shift: Code): Readonly<Record<string, Code>> {
  if (e.sources === null) return {};
  const bank = (field: string): Code => add(load('i32.load', get(l.context), e.context.field(field)), shift);
  const withs = e.shapes.withs.filter((w) => w.group === 'sources');
  return {
    constant: bank('constants'),
    ...Object.fromEntries(withs.map((w) => [`with:${w.name}`, bank(`bank ${w.name}`)])),
  };
}

/** Rows of the block at `shift`, and the number of its first row. */
function blockRowsOf(
  e: GroupEmission,
  l: SweepLocals,
  shift: Code,
): { readonly rows?: Code; readonly firstRow?: Code } {
  if (e.sources === null) return {};
  const before = code('i32.div_u', shift, i32(e.shapes.scalar));
  const left = sub(load('i32.load', get(l.context), e.context.field('rows')), before);
  return {
    rows: code('select', left, i32(blockRows), code('i32.lt_s', left, i32(blockRows))),
    firstRow: add(load('i32.load', get(l.context), e.context.field('firstRow')), before),
  };
}
