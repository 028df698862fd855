/**
 * What do a supervisor and its compute child say to each other? A small header, packed and checked by its schema, and behind
 * it the numbers as typed arrays, in an order that the header's kind fixes.
 *
 * Both are of one version and one machine; the schema is there so that a slip is an error at the door and not a wrong number.
 */
import { z } from 'zod';
import { ErrorReport, LeafName, Numerics, RowsWanted } from '../../protocol.ts';
import { type Frame, Layout, type Message, messagesOf } from './frames.ts';

/** Numbers every question; answers carry it. */
const Request = z.int().nonnegative();
const Session = z.int().nonnegative();
const Precision = z.enum(['f32', 'f64']);
const Shard = z.strictObject({
  index: z.int().nonnegative(),
  begin: z.int().nonnegative(),
  end: z.int().nonnegative(),
});

/** What a child computes with. */
export const ChildDevice = z.discriminatedUnion('engine', [
  z.strictObject({ engine: z.literal('reference') }),
  z.strictObject({ engine: z.literal('wasm') }),
  z.strictObject({
    engine: z.literal('webgpu'),
    /** Dawn's names of the interface and the adapter; null: what Dawn takes by itself. */
    backend: z.string(),
    adapter: z.string().nullable(),
  }),
]);
export type ChildDevice = z.infer<typeof ChildDevice>;

export const ToChild = z.discriminatedUnion('kind', [
  /** First of all: → opened. */
  z.strictObject({
    kind: z.literal('open'),
    request: Request,
    device: ChildDevice,
    precision: Precision,
    threads: z.int().positive(),
    memoryBytes: z.number().positive(),
  }),
  /** Numbers: the system as bytes. → done */
  z.strictObject({
    kind: z.literal('load'),
    request: Request,
    session: Session,
    precision: Precision,
    segmentSteps: z.number().positive(),
    threads: z.int().positive(),
  }),
  /** Numbers: one array a name. → done */
  z.strictObject({
    kind: z.literal('bind'),
    request: Request,
    session: Session,
    shard: Shard,
    names: z.array(z.string()),
  }),
  /** → done */
  z.strictObject({
    kind: z.literal('release'),
    request: Request,
    session: Session,
    shard: z.int().nonnegative(),
  }),
  /** Numbers: those of `evaluation.ts`. → partial, fault, rows, progress …, then evaluated, aborted or failed */
  z.strictObject({
    kind: z.literal('evaluate'),
    request: Request,
    session: Session,
    want: z.enum(['gradient', 'sums']),
    rows: RowsWanted,
    /** null: that of the evaluation before. */
    grid: z
      .strictObject({
        terms: z.int().nonnegative(),
        moments: z.array(z.tuple([z.string(), z.int()])),
        entries: z.int().nonnegative(),
      })
      .nullable(),
    seeds: z.boolean(),
    sums: z.boolean(),
    /** Whether the fields are these alone, and not those of the evaluation before with these in their place. */
    anew: z.boolean(),
    fields: z.array(z.string()),
  }),
  /** End the evaluation of this request → aborted, unless it has ended. */
  z.strictObject({ kind: z.literal('abort'), request: Request }),
  /** → done */
  z.strictObject({ kind: z.literal('unload'), request: Request, session: Session }),
  /** A drill: the GPU's device is destroyed, as a driver that resets does. Nothing else answers than the loss. */
  z.strictObject({ kind: z.literal('lose-device') }),
]);
export type ToChild = z.infer<typeof ToChild>;

const Visits = z.array(z.tuple([z.string(), z.number()]));
const SessionCounters = z.strictObject({ pairs: Visits, rows: Visits });
export type SessionCounters = z.infer<typeof SessionCounters>;

export const FromChild = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('opened'),
    request: Request,
    name: z.enum(['reference', 'wasm', 'webgpu']),
    precision: Precision,
    numerics: Numerics,
  }),
  z.strictObject({ kind: z.literal('done'), request: Request }),
  /** Numbers: sums, winners, gradient, then seeds and source states where there are any. */
  z.strictObject({
    kind: z.literal('partial'),
    request: Request,
    leaf: LeafName,
    /** −0 and infinities are doubles like others here: a header may not keep them. */
    seeds: z.boolean(),
    sourceStates: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal('fault'),
    request: Request,
    leaf: LeafName,
    group: z.enum(['sources', 'tracers']),
    what: z.enum(['gradient', 'loss', 'state']),
    row: z.int(),
    step: z.int(),
  }),
  /** Numbers: the data. */
  z.strictObject({
    kind: z.literal('rows'),
    request: Request,
    output: z.enum(['final', 'gradient', 'trajectory', 'values']),
    field: z.string(),
    shard: Shard,
    width: z.int().positive(),
  }),
  z.strictObject({
    kind: z.literal('progress'),
    request: Request,
    blocks: z.int().nonnegative(),
    counters: SessionCounters,
  }),
  /** The end, with the blocks that no progress has told. */
  z.strictObject({
    kind: z.literal('evaluated'),
    request: Request,
    blocks: z.int().nonnegative(),
    counters: SessionCounters,
  }),
  z.strictObject({ kind: z.literal('aborted'), request: Request }),
  z.strictObject({ kind: z.literal('failed'), request: Request, error: ErrorReport }),
  /** The device is gone; the child only waits for its end. */
  z.strictObject({
    kind: z.literal('lost'),
    code: z.enum(['GPU_LOST', 'OUT_OF_MEMORY']),
    reason: z.string(),
    bytes: z.number().nullable(),
  }),
]);
export type FromChild = z.infer<typeof FromChild>;

const Received = <Header extends z.ZodType>(header: Header) => z.array(z.tuple([header, z.array(Layout)]));
const ToChildList = Received(ToChild);
const FromChildList = Received(FromChild);

export const decodeToChild = (frame: Frame): readonly Message<ToChild>[] => messagesOf(ToChildList, frame);
export const decodeFromChild = (frame: Frame): readonly Message<FromChild>[] =>
  messagesOf(FromChildList, frame);
