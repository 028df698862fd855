/**
 * How a loop walks over its bound rows: a pointer into everything that has something for each of them, and several
 * rows a round while they last.
 *
 * The rows of a round are independent until they are added up, so that their instructions fill one another's waits.
 * V8 up to 12 (Node 22) orders pure instructions by what uses them last: two rows that end in one sum interleave, two
 * vectors of own rows, which meet nowhere, run one after the other, whatever the order in which they were written. From
 * V8 13 on (Node 24) they stay as they were written: value by value for all rows of a round, chains of steps step by
 * step (`hold`).
 */
import type { LoopStep } from '../ir/kernel.ts';
import type { Local } from './body.ts';
import { lanes, loopsOf, vectorBytes } from './frame.ts';
import { type LoopLocals, present, type Writer } from './row-kernel-values.ts';

/** Something a loop steps through, and how far in a row. */
interface Pointer {
  readonly local: Local;
  readonly by: number;
}

/** Writes one round; gets where each of its rows stands. */
type WriteRound = (rows: readonly LoopLocals[]) => void;

/** Writes the loop over all bound rows of a step, `abreast` rows a round while they last, then one by one. */
export function writeRounds(w: Writer, step: LoopStep, abreast: number, writeRound: WriteRound): void {
  const { body } = w;
  const count = w.addresses.rowsOf(step.loop.over);
  body.get(count).if(() => {
    const walk = startWalk(w, step);
    const { first, end, at } = walk;
    const last = body.borrow('i32');
    const rounds = (rows: number): void => {
      // The last place at which a round begins; there are at least so many rows, so it is none before the first.
      body
        .get(end)
        .i32(first.by * rows)
        .emit('i32.sub')
        .set(last);
      body.loop((again) => {
        writeRows(w, walk, rows, writeRound);
        advance(w, walk, rows);
        body.get(last).emit('i32.le_u').branchIf(again);
      });
    };
    if (abreast === 1) rounds(1);
    else {
      body
        .get(count)
        .i32(abreast)
        .emit('i32.ge_u')
        .if(() => rounds(abreast));
      body
        .get(first.local)
        .get(end)
        .emit('i32.lt_u')
        .if(() => rounds(1));
    }
    body.release(last, end, ...walk.pointers.map((p) => p.local));
    if (at.index !== null) body.release(at.index);
  });
}

/** A loop's pointers at its first bound row. */
interface Walk {
  readonly at: LoopLocals;
  readonly pointers: readonly Pointer[];
  /** The pointer that ends the loop, and where. */
  readonly first: Pointer;
  readonly end: Local;
}

function startWalk(w: Writer, step: LoopStep): Walk {
  const { body, kernel } = w;
  const { bytes } = lanes[w.lane];
  const scattered = loopsOf([step]).flatMap((l) => l.scatters.map((s) => s.target));
  const read = kernel.values.flatMap((v) => ('loop' in v && v.loop === step.id ? [v] : []));
  const targets = scattered.filter((t) => t.loop === step.id);
  const numbers = <T>(items: readonly T[], pick: (item: T) => number | null): readonly number[] => [
    ...new Set(items.flatMap((i) => pick(i) ?? [])),
  ];

  const pointers: Pointer[] = [];
  const pointer = (start: Local | null, by: number): Local => {
    const local = body.borrow('i32');
    if (start === null) body.i32(0);
    else body.get(start);
    body.set(local);
    pointers.push({ local, by });
    return local;
  };
  const pointersTo = (
    items: readonly number[],
    start: (n: number) => Local | null,
    by: (n: number) => number,
  ): ReadonlyMap<number, Local> => new Map(items.map((n) => [n, pointer(start(n), by(n))]));

  const tables = pointersTo(
    numbers(read, (v) => (v.kind === 'row' ? v.table : null)),
    w.addresses.table,
    (t) => present(kernel.tables[t]).columns * bytes,
  );
  const scatters = pointersTo(
    numbers(targets, (t) => (t.kind === 'row' ? t.table : null)),
    w.addresses.scatter,
    (t) => present(kernel.tables[t]).columns * vectorBytes,
  );
  const pairs = pointersTo(
    [
      ...new Set([
        ...numbers(read, (v) => (v.kind === 'pair' ? v.pair : null)),
        ...numbers(targets, (t) => (t.kind === 'pair' ? t.pair : null)),
      ]),
    ],
    () => null,
    (p) => present(kernel.pairs[p]).components * bytes,
  );
  const counts =
    read.some((v) => v.kind === 'index') || step.accumulators.some((a) => a.by.startsWith('arg'));
  const index = counts ? body.borrow('v128') : null;
  if (index !== null) body.get(w.constant({ kind: 'number', value: 0 })).set(index);

  // The loop ends when its first pointer has passed all rows: no counter of its own.
  if (pointers.length === 0) pointer(null, 1);
  const first = present(pointers[0]);
  const end = body.borrow('i32');
  body.get(first.local).get(w.addresses.rowsOf(step.loop.over)).i32(first.by);
  body.emit('i32.mul').emit('i32.add').set(end);
  return { at: { tables, scatters, pairs, index }, pointers, first, end };
}

/** Moves the pointers by so many rows; leaves the first on the stack. */
function advance(w: Writer, { at, pointers, first }: Walk, rows: number): void {
  const { body } = w;
  if (at.index !== null) {
    body.get(at.index).get(w.constant({ kind: 'number', value: rows }));
    body.emit(`${w.lane}.add`).set(at.index);
  }
  for (const { local, by } of pointers.slice(1)) body.increment(local, by * rows);
  body
    .get(first.local)
    .i32(first.by * rows)
    .emit('i32.add')
    .tee(first.local);
}

/**
 * One round. Each row has pointers of its own: V8 keeps a register for every distance from a pointer, which a column
 * has in common with the same column of the other rows.
 */
function writeRows(w: Writer, walk: Walk, rows: number, writeRound: WriteRound): void {
  const { body } = w;
  const own: Local[] = [];
  const ahead = (local: Local, row: number): Local => {
    if (row === 0) return local;
    const moved = body.borrow(local.type);
    own.push(moved);
    body.get(local);
    if (local.type === 'v128') {
      body.get(w.constant({ kind: 'number', value: row })).emit(`${w.lane}.add`);
    } else {
      body.i32(present(walk.pointers.find((p) => p.local === local)).by * row).emit('i32.add');
    }
    body.set(moved);
    return moved;
  };
  const allAhead = (locals: ReadonlyMap<number, Local>, row: number): ReadonlyMap<number, Local> =>
    new Map([...locals].map(([n, local]) => [n, ahead(local, row)]));
  const { at } = walk;
  writeRound(
    Array.from({ length: rows }, (_, row) => ({
      tables: allAhead(at.tables, row),
      scatters: allAhead(at.scatters, row),
      pairs: allAhead(at.pairs, row),
      index: at.index === null ? null : ahead(at.index, row),
    })),
  );
  body.release(...own);
}
