/**
 * How terms of the loss are evaluated inside a sweep: values added to S, seeds added to λ, Γ and what does not move.
 *
 * A term is a function (context, record, state, target, mode): `record` says where and with which weight
 * (`termRecord`), `state` where the own state is, `target` which planes ∂ℓ/∂state is added to. Fields besides those of
 * `group-sweep.ts`:
 *
 *   sums, winners      S of this partial, f64; rows attaining it
 *   image              the block's rows: state, constants, `with` arrays
 *   points<i>, records<i>   grid point k ↦ first record; the records of term i
 *   with <name>        table of a source `with` array
 *   gamma@<moment>     byte distance from Γ to that moment's grid point;   pending@<moment>: planes its seeds wait in
 *   pending, pendingIndex   planes of seeds that wait for their grid point; grid point ↦ number of its planes, or −1
 *   loss, S, seeds     (scalar parts) f64 loss; S in the lane's scalar; f64 ∂h/∂S
 */
import type { Body, Local } from './body.ts';
import {
  add,
  type Code,
  call,
  code,
  f64,
  get,
  i32,
  load,
  loopWhile,
  mul,
  plus,
  seq,
  set,
  store,
  sub,
  when,
} from './code.ts';
import { addPlanes } from './combine.ts';
import type { ContextBuilder } from './context.ts';
import { callKernel, type Destinations, moveSums, type Site } from './kernel-call.ts';
import type { FunctionRef, ModuleBuilder } from './module.ts';
import { constantGradient, constantPart, seedBank, termBanks, valuesName } from './names.ts';
import { rowsOf, type Shapes, tailOffset } from './shapes.ts';
import { termRecord, visitMode } from './sweep-plan.ts';
import type { VectorFunctions } from './vectors.ts';
import type { WorkBuilder } from './work.ts';

export interface TermEmission {
  readonly module: ModuleBuilder;
  readonly shapes: Shapes;
  readonly context: ContextBuilder;
  readonly work: WorkBuilder;
  readonly helpers: VectorFunctions;
  readonly name: string;
  /** `rows`: a block of tracers. `scalar`: one row without fields. */
  readonly kind: 'rows' | 'scalar';
  readonly value: Site;
  readonly vjp: Site | null;
  readonly by: readonly ('max' | 'min' | 'sum')[];
  readonly sliced: ReadonlySet<string>;
  readonly moments: readonly string[];
}

/** Which plane the values are in. */
const valuePlane = (kind: 'rows' | 'scalar'): string => (kind === 'rows' ? 'terms' : 'h');

export function emitTerm(e: TermEmission): FunctionRef {
  return e.module.define(
    e.name,
    {
      parameters: [
        ['context', 'i32'],
        ['record', 'i32'],
        ['state', 'i32'],
        ['target', 'i32'],
        ['mode', 'i32'],
      ],
      results: [],
    },
    (b, context, record, state, target, mode) => {
      const point = b.local('i32', 'point');
      const bytes = b.local('i32', 'bytes');
      const field = (name: string): Code => load('i32.load', get(context), e.context.field(name));
      const at = { context, record, state, point, field };
      seq(
        set(point, load('i32.load', get(record), termRecord.point)),
        set(bytes, field('bytes')),
        when(code('i32.and', get(mode), i32(visitMode.values)), values(e, at)),
        ...(e.vjp === null
          ? []
          : [when(code('i32.and', get(mode), i32(visitMode.seeds)), seeds(b, e, e.vjp, at, target, bytes))]),
      )(b);
    },
  );
}

interface At {
  readonly context: Local;
  readonly record: Local;
  readonly state: Local;
  readonly point: Local;
  readonly field: (name: string) => Code;
}

function values(e: TermEmission, at: At): Code {
  const { helpers, shapes } = e;
  const sum = load('i32.load', get(at.record), termRecord.sum);
  const entry = (base: string, c: number): Code => plus(add(at.field(base), mul(sum, i32(8))), c * 8);
  const plane = (c: number): Code =>
    plus(bankAddress(e, at, termBanks(e.name).value), c * shapes.tracers.stride);
  const accumulate = (address: Code, value: Code): Code =>
    store(
      'f64.store',
      address,
      code(
        'f64.add',
        load('f64.load', address),
        code('f64.mul', load('f64.load', get(at.record), termRecord.factor), value),
      ),
    );
  const components = e.by.map((by, c): Code => {
    const rowSum = call(helpers.sumRows, plane(c), at.field('rows'));
    if (e.kind === 'scalar') return accumulate(at.field('loss'), rowSum);
    if (by === 'sum') return accumulate(entry('sums', c), rowSum);
    const sign = f64(by === 'min' ? 1 : -1);
    return call(
      helpers.extremum,
      plane(c),
      at.field('rows'),
      at.field('firstRow'),
      sign,
      entry('sums', c),
      entry('winners', c),
    );
  });
  return seq(
    callTerm(e, e.value, at, { [valuePlane(e.kind)]: bankAddress(e, at, termBanks(e.name).value) }),
    ...components,
  );
}

function seeds(b: Body, e: TermEmission, vjp: Site, at: At, target: Local, bytes: Local): Code {
  const { helpers, shapes } = e;
  const { stride, stateComponents, constantComponents } = shapes.tracers;
  const cotangent = bankAddress(e, at, termBanks(e.name).cotangent);
  const fills = e.by.map((_, c): Code => {
    const entry = termRecord.components + c * termRecord.entryBytes;
    const row = load('i32.load', get(at.record), entry + termRecord.winner);
    // A winner outside this block is a row no block has; −1 stays −1.
    const local = sub(row, at.field('firstRow'));
    const elsewhere = i32(0x7fff_ffff);
    const own = code('select', local, elsewhere, code('i32.ge_s', local, i32(0)));
    return call(
      helpers.fill,
      plus(cotangent, c * stride),
      at.field('rows'),
      get(bytes),
      load('f64.load', get(at.record), entry + termRecord.cotangent),
      code('select', i32(-1), own, code('i32.lt_s', row, i32(0))),
    );
  });
  const has = (plane: string): boolean => vjp.kernel.planes.some((p) => p.bank === plane);
  const seedAddress = (moment: string | null): Code => bankAddress(e, at, seedBank(moment));
  const planes: Record<string, Code> = {};
  if (has('state')) planes['state'] = seedAddress(null);
  if (has('constant')) planes['constant'] = bankAddress(e, at, constantPart);
  for (const m of e.moments) if (has(`state@${m}`)) planes[`state@${m}`] = seedAddress(m);
  const addTo = (components: number, to: Code, from: Code): Code =>
    addPlanes(b, shapes.lane, stride, components, bytes, to, from);
  return seq(
    ...fills,
    callTerm(e, vjp, at, planes, { [`cotangent:${valuePlane(e.kind)}`]: cotangent }),
    has('state') ? addTo(stateComponents, get(target), seedAddress(null)) : seq(),
    ...e.moments.map((m) =>
      has(`state@${m}`) ? addTo(stateComponents, at.field(`pending@${m}`), seedAddress(m)) : seq(),
    ),
    has('constant')
      ? addTo(constantComponents, bankAddress(e, at, constantGradient), bankAddress(e, at, constantPart))
      : seq(),
    moveSums(vjp, at.context, helpers, (over) => rowsOf(shapes, over), destinations(e, at)),
  );
}

/** Calls a kernel of the term: everything that depends on the record goes into the frame. */
function callTerm(
  e: TermEmission,
  site: Site,
  at: At,
  planes: Readonly<Record<string, Code>>,
  banks: Readonly<Record<string, Code>> = {},
): Code {
  const { shapes } = e;
  const slice = load('i32.load', get(at.record), termRecord.slice);
  const slicedBanks: Record<string, Code> = {};
  const slicedTables: Record<string, Code> = {};
  for (const w of shapes.withs) {
    if (!e.sliced.has(w.name)) continue;
    if (w.group === 'tracers') {
      const { stride } = shapes.tracers;
      slicedBanks[`with:${w.name}`] = plus(
        add(at.field('image'), mul(slice, i32(w.width * stride))),
        w.offset * stride,
      );
    } else {
      const bytes = shapes.sources.rows * w.width * shapes.scalar;
      slicedTables[`sources.with:${w.name}`] = add(at.field(`with ${w.name}`), mul(slice, i32(bytes)));
    }
  }
  return callKernel(site, shapes.lane, at.context, {
    time: load('f64.load', add(at.field('times'), mul(get(at.point), i32(8)))),
    banks: { ...(e.kind === 'rows' ? { state: get(at.state) } : {}), ...slicedBanks, ...banks },
    tables: { 'sources.state': pointTable(e, at), ...slicedTables },
    planes,
    ...(e.kind === 'scalar'
      ? {
          sums: add(at.field('S'), mul(load('i32.load', get(at.record), termRecord.sum), i32(shapes.scalar))),
        }
      : {}),
  });
}

function pointTable(e: TermEmission, at: At): Code {
  const { sources, scalar, slots } = e.shapes;
  const bytes = slots * sources.rows * sources.stateComponents * scalar;
  return add(at.field('table'), mul(get(at.point), i32(bytes)));
}

function destinations(e: TermEmission, at: At): Destinations {
  const { sources, slots, tail } = e.shapes;
  const gammaBytes = slots * sources.rows * sources.stateComponents * 8;
  return {
    table: (name) => {
      if (name === 'sources.state') return add(at.field('gamma'), mul(get(at.point), i32(gammaBytes)));
      const moment = /^sources\.state@(.*)$/.exec(name)?.[1];
      if (moment !== undefined) return add(at.field('gamma'), at.field(`gamma@${moment}`));
      return plus(at.field('tail'), tailOffset(e.shapes, name));
    },
    written: () => false,
    params: plus(at.field('tail'), tail.params * 8),
    sums:
      e.kind === 'scalar'
        ? add(at.field('seeds'), mul(load('i32.load', get(at.record), termRecord.sum), i32(8)))
        : null,
  };
}

const bankAddress = (e: TermEmission, at: At, bank: string): Code =>
  plus(at.field('work'), e.work.offset(bank));

/** A term that is evaluated whenever a sweep passes one of its points. */
export interface VisitedTerm {
  /** Index in `program.terms`. */
  readonly index: number;
  readonly fn: FunctionRef;
  readonly recordBytes: number;
}

/**
 * (context, point, mode): evaluates every term that has records at that grid point, in the order of the terms, then
 * adds the seeds that waited for it.
 */
export function emitVisit(
  e: Pick<TermEmission, 'context' | 'module' | 'shapes' | 'work'>,
  terms: readonly VisitedTerm[],
  pendingSeeds: boolean,
): FunctionRef {
  const { shapes } = e;
  const { stride, stateComponents } = shapes.tracers;
  return e.module.define(
    'visit',
    {
      parameters: [
        ['context', 'i32'],
        ['point', 'i32'],
        ['mode', 'i32'],
      ],
      results: [],
    },
    (b, context, point, mode) => {
      const [state, record, end, bytes, at] = [
        b.local('i32', 'state'),
        b.local('i32', 'record'),
        b.local('i32', 'end'),
        b.local('i32', 'bytes'),
        b.local('i32', 'at'),
      ] as const;
      const field = (name: string): Code => load('i32.load', get(context), e.context.field(name));
      const lambda = e.work.has('λ') ? plus(field('work'), e.work.offset('λ')) : i32(0);
      const recordAt = (base: Code, index: Code, size: number): Code => add(base, mul(index, i32(size)));
      const visits = terms.map((term): Code => {
        const firstOf = (offset: number): Code =>
          load('i32.load', add(field(`points${term.index}`), mul(get(point), i32(4))), offset);
        const records = field(`records${term.index}`);
        return seq(
          set(record, recordAt(records, firstOf(0), term.recordBytes)),
          set(end, recordAt(records, firstOf(4), term.recordBytes)),
          loopWhile(
            code('i32.lt_u', get(record), get(end)),
            call(term.fn, get(context), get(record), get(state), lambda, get(mode)),
            set(record, plus(get(record), term.recordBytes)),
          ),
        );
      });
      const pending = when(
        code('i32.and', get(mode), i32(visitMode.seeds)),
        set(at, load('i32.load', add(field('pendingIndex'), mul(get(point), i32(4))))),
        when(
          code('i32.ge_s', get(at), i32(0)),
          addPlanes(
            b,
            shapes.lane,
            stride,
            stateComponents,
            bytes,
            lambda,
            add(field('pending'), mul(get(at), i32(stateComponents * stride))),
          ),
        ),
      );
      seq(
        set(state, add(field('states'), mul(get(point), i32(shapes.slots * stateComponents * stride)))),
        set(bytes, field('bytes')),
        ...visits,
        ...(pendingSeeds ? [pending] : []),
      )(b);
    },
  );
}

/** (context, point, state): planes of the values at a grid point. */
export function emitValues(e: Pick<TermEmission, 'context' | 'module' | 'shapes'>, site: Site): FunctionRef {
  return e.module.define(
    valuesName,
    {
      parameters: [
        ['context', 'i32'],
        ['point', 'i32'],
        ['state', 'i32'],
      ],
      results: [],
    },
    (b, context, point, state) => {
      const { sources, scalar, slots } = e.shapes;
      const field = (name: string): Code => load('i32.load', get(context), e.context.field(name));
      const tableBytes = slots * sources.rows * sources.stateComponents * scalar;
      callKernel(site, e.shapes.lane, context, {
        time: load('f64.load', add(field('times'), mul(get(point), i32(8)))),
        banks: { state: get(state) },
        tables: { 'sources.state': add(field('table'), mul(get(point), i32(tableBytes))) },
        planes: {},
      })(b);
    },
  );
}
