/**
 * How a sweep calls a row kernel: it stores what changes from call to call into the frame, calls, and moves what the
 * kernel added up to where it belongs. Everything else in the frame the host has filled.
 */
import { invariant } from '../../errors.ts';
import type { Kernel } from '../ir/kernel.ts';
import type { Local } from './body.ts';
import { type Code, call, code, get, load, plus, seq, store } from './code.ts';
import type { ContextBuilder, FramePlan } from './context.ts';
import { frameLayout, type Lane, lanes, vectorBytes } from './frame.ts';
import type { FunctionRef } from './module.ts';
import type { VectorFunctions } from './vectors.ts';

/** A row kernel with its frame in one context. */
export interface Site {
  readonly kernel: Kernel;
  readonly fn: FunctionRef;
  readonly frame: FramePlan;
}

export function makeSite(context: ContextBuilder, kernel: Kernel, fn: FunctionRef, lane: Lane): Site {
  return { kernel, fn, frame: context.frame(kernel.name, frameLayout(kernel, lane)) };
}

/** What differs from call to call: addresses by name, the time as f64. What is not named stays as the host set it. */
export interface CallArguments {
  readonly time: Code;
  readonly banks: Readonly<Record<string, Code>>;
  readonly tables: Readonly<Record<string, Code>>;
  readonly planes: Readonly<Record<string, Code>>;
  readonly rows?: Code;
  readonly firstRow?: Code;
  readonly sums?: Code;
}

export function callKernel(site: Site, lane: Lane, context: Local, given: CallArguments): Code {
  const { layout, offset, rowsVisited } = site.frame;
  const put = (at: number, value: Code): Code => store('i32.store', get(context), value, offset + at);
  const named = <E extends { readonly address: number }>(
    entries: readonly E[],
    nameOf: (entry: E) => string,
    addresses: Readonly<Record<string, Code>>,
  ): readonly Code[] =>
    entries.flatMap((entry) => {
      const name = nameOf(entry);
      // A plane has the name of an output, which may be `constructor`.
      const address = Object.hasOwn(addresses, name) ? addresses[name] : undefined;
      return address === undefined ? [] : [put(entry.address, address)];
    });
  const { scalar } = lanes[lane];
  const time = scalar === 'f32' ? code('f32.demote_f64', given.time) : given.time;
  return seq(
    store(`${scalar}.store`, get(context), time, offset + layout.time),
    ...(given.rows === undefined ? [] : [put(layout.rows, given.rows)]),
    ...(given.firstRow === undefined ? [] : [put(layout.firstRow, given.firstRow)]),
    ...(given.sums === undefined ? [] : [put(layout.sums, given.sums)]),
    ...named(layout.banks, (b) => b.name, given.banks),
    ...named(layout.tables, (t) => t.name, given.tables),
    ...named(layout.planes, (p) => p.bank, given.planes),
    call(site.fn, plus(get(context), offset)),
    store(
      'f64.store',
      get(context),
      code(
        'f64.add',
        load('f64.load', get(context), rowsVisited),
        code('f64.convert_i32_s', load('i32.load', get(context), offset + layout.rows)),
      ),
      rowsVisited,
    ),
  );
}

/** Where sums over rows go: addresses of f64s. */
export interface Destinations {
  /** Row 0 of the gradient of a table. */
  readonly table: (name: string) => Code;
  /** Whether the gradient of that table is written there, because nothing was added before. */
  readonly written: (name: string) => boolean;
  readonly params: Code;
  readonly sums: Code | null;
}

/** Adds what the call has left in the accumulators to the destinations, in f64, and zeroes the accumulators. */
export function moveSums(
  site: Site,
  context: Local,
  helpers: VectorFunctions,
  rowsOf: (over: string) => number,
  to: Destinations,
): Code {
  const { layout, offset } = site.frame;
  const address = (at: number): Code => load('i32.load', get(context), offset + at);
  const scatters = layout.scatters.map((scatter) => {
    const table = layout.tables.find((t) => t.name === scatter.table);
    invariant(table !== undefined, 'a scatter names a table of its kernel');
    const count: Code = (b) => b.i32(rowsOf(table.over) * scatter.columns);
    const move = to.written(scatter.table) ? helpers.reduceInto : helpers.reduce;
    return call(move, address(scatter.address), to.table(scatter.table), count);
  });
  const rowSums = runsOf(site.kernel).map((run) => {
    const base = run.target === 'params' ? to.params : to.sums;
    invariant(base !== null, 'only h(S) has row sums over S');
    return call(
      helpers.reduce,
      plus(address(layout.rowSums), run.first * vectorBytes),
      plus(base, run.component * 8),
      (b) => b.i32(run.count),
    );
  });
  return seq(...scatters, ...rowSums);
}

/** Row sums whose components follow one another, so that one reduction moves them. */
function runsOf(
  kernel: Kernel,
): readonly { target: 'params' | 'sums'; component: number; first: number; count: number }[] {
  const runs: { target: 'params' | 'sums'; component: number; first: number; count: number }[] = [];
  for (const [k, { target, component }] of kernel.rowSums.entries()) {
    const last = runs.at(-1);
    if (last !== undefined && last.target === target && last.component + last.count === component)
      last.count += 1;
    else runs.push({ target, component, first: k, count: 1 });
  }
  return runs;
}
