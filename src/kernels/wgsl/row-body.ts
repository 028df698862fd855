/**
 * How a kernel is printed for one own row: values as `let`, reductions over staged tiles of bound rows.
 *
 * A loop over bound rows at the row's level brings tiles of them into workgroup memory, which all rows of the
 * workgroup then read together; `lanes` threads share a row and take every lanes-th bound row, their accumulators meet
 * in the order of the lanes. Loops further in read memory directly. Barriers stand in uniform control flow: nothing
 * here branches on what differs between threads but the bodies of loops over bound rows.
 */
import { invariant } from '../../errors.ts';
import type { Accumulator, Kernel, KernelScatter, LoopStep, Step, Value, ValueId } from '../ir/kernel.ts';
import { opNamed } from '../ops/table.ts';
import { code, plus, real, whole } from './code.ts';
import { type Crew, suffixes, workgroupThreads } from './crew.ts';

/** Where a kernel finds what it reads. Expressions are of type f32, indices of type u32. */
export interface Site {
  /** `s`: what names of the row end with, of the several that a thread may have. */
  readonly own: (bank: string, component: number, s?: string) => string;
  readonly table: (table: string, column: number, index: string) => string;
  readonly pair: (field: string, component: number, row: string, bound: string) => string;
  readonly param: (component: number) => string;
  readonly sum: (index: number) => string;
  /** Number of the own row among all rows of its group. */
  readonly row: (s: string) => string;
  readonly rowsOf: (over: string) => number;
}

/**
 * Four-vectors of a tile of bound rows, or of staged own rows: 14 KiB of the 16 KiB that every device has, less for a small
 * workgroup, since it is the tiles of all workgroups that must fit beside one another. At least one a thread: sums meet there.
 */
export const tileVectors = (threads: number): number => Math.max(threads, Math.min(896, 7 * threads));

/** Bound rows of a tile when each brings so many four-vectors. */
export function tileRows(vectors: number, threads: number): number {
  const most = Math.max(1, Math.floor(tileVectors(threads) / Math.max(1, vectors)));
  return Math.min(workgroupThreads, 2 ** Math.floor(Math.log2(most)));
}

/**
 * What names end with where a thread has several rows: own rows (a text), or bound rows in a pass that sums over own ones.
 * Names of what is the same for all of them end with nothing.
 */
export type Suffix = string | { readonly bound: string };

const repeats = ({ varies, depth }: Value, s: Suffix): boolean =>
  typeof s === 'string' ? varies : depth > 0;

/** The name of a value, or its literal. */
export function operand(kernel: Kernel, id: ValueId, suffix: Suffix = ''): string {
  const value = valueNumbered(kernel, id);
  const s = repeats(value, suffix) ? endOf(suffix) : '';
  switch (value.kind) {
    case 'accumulated':
      return `a${value.loop}_${value.accumulator}${s}`;
    case 'constant':
      return real(value.value);
    case 'apply':
    case 'index':
    case 'own':
    case 'pair':
    case 'param':
    case 'row':
    case 'sum':
    case 'time':
      return `v${id}${s}`;
  }
}

export const endOf = (s: Suffix): string => (typeof s === 'string' ? s : s.bound);

/** The name of the bound row's number. */
const boundRow = (loop: number, s: Suffix): string => `j${loop}${typeof s === 'string' ? '' : s.bound}`;

export function valueNumbered(kernel: Kernel, id: ValueId): Value {
  const value = kernel.values[id];
  invariant(value !== undefined, 'operands are values of the kernel');
  return value;
}

/** `let v3 = …;`, nothing for what is written where it is used. */
export function compute(kernel: Kernel, id: ValueId, site: Site, s: Suffix = ''): string {
  const text = expression(kernel, valueNumbered(kernel, id), site, s);
  return text === null ? '' : `let ${operand(kernel, id, s)} = ${text};`;
}

function expression(kernel: Kernel, value: Value, site: Site, s: Suffix): string | null {
  const own = typeof s === 'string' ? s : '';
  switch (value.kind) {
    case 'accumulated':
    case 'constant':
      return null;
    case 'apply':
      return opNamed(value.op).wgsl(...value.args.map((a) => operand(kernel, a, s)));
    case 'index':
      return `f32(${value.loop === null ? site.row(own) : boundRow(value.loop, s)})`;
    case 'own': {
      const bank = kernel.banks[value.bank];
      invariant(bank !== undefined, 'own values are read from a bank of the kernel');
      return site.own(bank.name, value.component, own);
    }
    case 'pair': {
      const pair = kernel.pairs[value.pair];
      invariant(pair !== undefined, 'weights are read from a pair field of the kernel');
      return site.pair(pair.field, value.component, site.row(own), boundRow(value.loop, s));
    }
    case 'param':
      return site.param(value.component);
    case 'row':
      return site.table(tableOf(kernel, value.table), value.column, boundRow(value.loop, s));
    case 'sum':
      return site.sum(value.index);
    case 'time':
      return 'time';
  }
}

export function tableOf(kernel: Kernel, table: number): string {
  const found = kernel.tables[table];
  invariant(found !== undefined, 'bound rows are read from a table of the kernel');
  return found.name;
}

/** What is printed of a kernel, and where it reads. */
export interface Body {
  readonly kernel: Kernel;
  readonly site: Site;
  readonly needed: Needed;
  /** What the names of a thread's rows end with; one row when absent. */
  readonly rows?: readonly Suffix[];
  /** Writes one scatter where own row and bound row are known; null leaves it to the transposed pass. */
  readonly scatter: (scatter: KernelScatter) => string | null;
}

/** Values and accumulators (`<loop>_<number>`) that what is left depends on. */
export interface Needed {
  readonly values: ReadonlySet<ValueId>;
  readonly accumulators: ReadonlySet<string>;
}

/** The steps of a kernel at the row's level. */
export function rowSteps(body: Body, crew: Crew): readonly string[] {
  const rows = suffixes(crew);
  return body.kernel.steps.flatMap((step) =>
    step.kind === 'compute'
      ? computed({ ...body, rows }, step.value)
      : [topLoop({ ...body, rows }, step, crew)],
  );
}

/** Once for each row of the thread, or once for all where it is the same for all. */
function computed(body: Body, id: ValueId): readonly string[] {
  const { kernel, site, needed } = body;
  return needed.values.has(id) ? rowsOfValue(body, id).map((s) => compute(kernel, id, site, s)) : [];
}

const rowsOfValue = ({ kernel, rows = [''] }: Body, id: ValueId): readonly Suffix[] =>
  repeats(valueNumbered(kernel, id), rows[0] ?? '') ? rows : rows.slice(0, 1);

function topLoop(body: Body, loop: LoopStep, crew: Crew): string {
  if (!leavesSomething(body, loop)) return '';
  const { id } = loop;
  const count = body.site.rowsOf(loop.loop.over);
  const columns = columnsOf(body, loop);
  const vectors = Math.ceil(columns.length / 4);
  const size = Math.min(tileRows(vectors, crew.threads), 2 ** Math.ceil(Math.log2(Math.max(1, count))));
  return code`
    ${declarations(body, loop)}
    for (var first${id} = 0u; first${id} < ${whole(count)}; first${id} += ${whole(size)}) {
      ${stageTile(body, loop, columns, size, count, crew)}
      let last${id} = min(${whole(size)}, ${whole(count)} - first${id});
      ${strided(
        { at: `l${id}`, from: 'split', end: `last${id}`, stride: crew.lanes, turns: turnsOf(loop, crew) },
        (l) => code`
          let j${id} = first${id} + ${l};
          ${Array.from({ length: vectors }, (_, n) => `let w${id}_${n} = tile[${l} * ${whole(vectors)} + ${whole(n)}];`)}
          ${columns.map((v, n) => `let v${v} = w${id}_${Math.floor(n / 4)}.${'xyzw'[n % 4] ?? ''};`)}
          ${inside(body, loop, columns)}
        `,
      )}
    }
    ${crew.lanes > 1 ? meetLanes(used(body, loop), id, crew) : ''}
  `;
}

/** Loops with loops in them, and long ones, are not written several times. */
export const turnsOf = ({ steps }: LoopStep, { turns }: Pick<Crew, 'turns'>): number =>
  steps.length > longLoop || steps.some((s) => s.kind === 'loop') ? 1 : turns;

const longLoop = 80;

export interface Strided {
  /** The name of what counts. */
  readonly at: string;
  readonly from: string;
  readonly end: string;
  readonly stride: number;
  /** Turns that are written side by side, in the same order. */
  readonly turns: number;
}

/** A loop that counts by a stride. */
export function strided({ at, from, end, stride, turns }: Strided, turn: (at: string) => string): string {
  if (turns === 1) {
    return code`
      for (var ${at} = ${from}; ${at} < ${end}; ${at} += ${whole(stride)}) {
        ${turn(at)}
      }
    `;
  }
  return code`
    var ${at} = ${from};
    for (; ${at} + ${whole((turns - 1) * stride)} < ${end}; ${at} += ${whole(turns * stride)}) {
      ${Array.from(
        { length: turns },
        (_, n) => code`
          {
            ${turn(n === 0 ? at : `(${plus(at, n * stride)})`)}
          }
        `,
      )}
    }
    for (; ${at} < ${end}; ${at} += ${whole(stride)}) {
      ${turn(at)}
    }
  `;
}

/** A loop inside another, which reads memory as it goes. */
function innerLoop(body: Body, loop: LoopStep): string {
  if (!leavesSomething(body, loop)) return '';
  return code`
    ${declarations(body, loop)}
    for (var j${loop.id} = 0u; j${loop.id} < ${whole(body.site.rowsOf(loop.loop.over))}; j${loop.id}++) {
      ${inside(body, loop, [])}
    }
  `;
}

/** What is done for one bound row, but for `known`. */
export function inside(body: Body, loop: LoopStep, known: readonly ValueId[]): readonly string[] {
  return [
    ...innerSteps(body, loop.steps, known),
    ...used(body, loop).flatMap(([a, n]) =>
      rowsOfSum(body, a).map((s) => accumulate(body.kernel, a, loop.id, n, s)),
    ),
    ...loop.scatters.flatMap((s) => body.scatter(s) ?? []),
  ];
}

export function innerSteps(body: Body, steps: readonly Step[], known: readonly ValueId[]): readonly string[] {
  return steps.flatMap((s) => {
    if (s.kind === 'loop') return [innerLoop(body, s)];
    return known.includes(s.value) ? [] : computed(body, s.value);
  });
}

function leavesSomething(body: Body, loop: LoopStep): boolean {
  return (
    used(body, loop).length > 0 ||
    loop.scatters.some((s) => body.scatter(s) !== null) ||
    loop.steps.some((s) => s.kind === 'loop' && leavesSomething(body, s))
  );
}

/** Accumulators of a loop that are needed, with their numbers. */
function used({ needed }: Body, loop: LoopStep): readonly (readonly [Accumulator, number])[] {
  return loop.accumulators.flatMap((a, n) =>
    needed.accumulators.has(`${loop.id}_${n}`) ? [[a, n] as const] : [],
  );
}

const declarations = (body: Body, loop: LoopStep): readonly string[] =>
  used(body, loop).flatMap(([a, n]) =>
    rowsOfSum(body, a).map((s) => declare(a, nameOfSum(body.kernel, a, loop.id, n, s))),
  );

/** A sum differs from row to row as what it sums does, and which rows enter. */
const rowsOfSum = (body: Body, { value, where }: Accumulator): readonly Suffix[] =>
  where !== null && rowsOfValue(body, where).length > 1 ? rowsOfValue(body, where) : rowsOfValue(body, value);

function nameOfSum(
  kernel: Kernel,
  { value, where }: Accumulator,
  loop: number,
  n: number,
  s: Suffix,
): string {
  const differs = [value, ...(where === null ? [] : [where])].some((id) =>
    repeats(valueNumbered(kernel, id), s),
  );
  return `a${loop}_${n}${differs ? endOf(s) : ''}`;
}

/** Values of the bound row that a loop at the row's level reads. */
function columnsOf({ kernel, needed }: Body, loop: LoopStep): readonly ValueId[] {
  return loop.steps.flatMap((s) =>
    s.kind === 'compute' && needed.values.has(s.value) && valueNumbered(kernel, s.value).kind === 'row'
      ? [s.value]
      : [],
  );
}

function stageTile(
  { kernel, site }: Body,
  { id }: LoopStep,
  columns: readonly ValueId[],
  size: number,
  count: number,
  { threads }: Crew,
): string {
  if (columns.length === 0) return '';
  const reads = columns.map((v) => {
    const value = valueNumbered(kernel, v);
    invariant(value.kind === 'row', 'a column is read from a table');
    return site.table(tableOf(kernel, value.table), value.column, `j${id}`);
  });
  const at = size > threads ? 'at' : 'lane';
  const store = code`
    let j${id} = min(first${id} + ${at}, ${whole(count - 1)});
    ${storeVectors('tile', at, reads)}
  `;
  return code`
    workgroupBarrier();
    ${size > threads ? `for (var at = lane; at < ${whole(size)}; at += ${whole(threads)}) {` : `if (lane < ${whole(size)}) {`}
      ${store}
    }
    workgroupBarrier();
  `;
}

/** Numbers side by side as four-vectors of a row of workgroup memory. */
export function storeVectors(array: string, row: string, numbers: readonly string[]): readonly string[] {
  const vectors = Math.ceil(numbers.length / 4);
  return Array.from({ length: vectors }, (_, n) => {
    const four = [0, 1, 2, 3].map((c) => numbers[4 * n + c] ?? '0f');
    return `${array}[${row} * ${whole(vectors)} + ${whole(n)}] = vec4f(${four.join(', ')});`;
  });
}

// --- reductions -------------------------------------------------------------------------------------------

const starts: Readonly<Record<Accumulator['by'], string>> = {
  argmax: '-1f',
  argmin: '-1f',
  max: '(-infinity())',
  min: 'infinity()',
  sum: '0f',
};

const isArg = ({ by }: Accumulator): boolean => by === 'argmax' || by === 'argmin';
const sign = ({ by }: Accumulator): '<' | '>' => (by === 'argmax' || by === 'max' ? '>' : '<');

/** `var a0_1 = 0f;` An arg-reduction holds the value attained beside it. */
function declare(a: Accumulator, name: string): string {
  return isArg(a) ? `var ${name} = -1f;\nvar ${name}_at = 0f;` : `var ${name} = ${starts[a.by]};`;
}

/** The value of this bound row enters. Rows come in ascending order, so that the first of equals stays. */
function accumulate(kernel: Kernel, a: Accumulator, loop: number, n: number, s: Suffix): string {
  const value = operand(kernel, a.value, s);
  const entered = enter(a, nameOfSum(kernel, a, loop, n, s), value, `f32(${boundRow(loop, s)})`);
  return a.where === null ? entered : `if (${operand(kernel, a.where, s)} != 0f) { ${entered} }`;
}

function enter(a: Accumulator, held: string, value: string, index: string): string {
  if (a.by === 'sum') return `${held} += ${value};`;
  if (isArg(a))
    return `if (${held} < 0f || ${value} ${sign(a)} ${held}_at) { ${held} = ${index}; ${held}_at = ${value}; }`;
  // A value that is not a number is kept, so that it is seen.
  return `if (${value} ${sign(a)} ${held} || is_nan(${value})) { ${held} = ${value}; }`;
}

/** The accumulators of a row's lanes become one, in every lane. */
function meetLanes(
  accumulators: readonly (readonly [Accumulator, number])[],
  loop: number,
  { rows }: Crew,
): readonly string[] {
  const named = accumulators.map(([a, n]) => ({ a, name: `a${loop}_${n}` }));
  const sums = named.filter(({ a }) => a.by === 'sum').map(({ name }) => name);
  const others = named.filter(({ a }) => a.by !== 'sum');
  return [
    ...meetSums(sums, rows),
    ...others.map(({ a, name }) =>
      isArg(a)
        ? `${name} = meet_${a.by}(${whole(rows)}, ${name}, ${name}_at);`
        : `${name} = meet_${a.by}(${whole(rows)}, ${name});`,
    ),
  ];
}

/** Each of some variables becomes its sum over the threads that are equal modulo `size`, four variables at a time. */
export function meetSums(names: readonly string[], size: number): readonly string[] {
  const fours = Array.from({ length: Math.ceil(names.length / 4) }, (_, n) => names.slice(4 * n, 4 * n + 4));
  return fours.flatMap((four) => {
    const [only = ''] = four;
    if (four.length === 1) return [`${only} = meet(${whole(size)}, ${only});`];
    const met = `${only}_met`;
    const all = [0, 1, 2, 3].map((n) => four[n] ?? '0f');
    return [
      `let ${met} = meet_four(${whole(size)}, vec4f(${all.join(', ')}));`,
      ...four.map((name, n) => `${name} = ${met}.${'xyzw'[n] ?? ''};`),
    ];
  });
}

/** What some values need, themselves among them; through reductions too. */
export function neededBy(kernel: Kernel, roots: readonly ValueId[]): Needed {
  const loops = loopsOf(kernel);
  const values = new Set<ValueId>();
  const accumulators = new Set<string>();
  const pending = [...roots];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (values.has(id)) continue;
    values.add(id);
    const value = valueNumbered(kernel, id);
    if (value.kind === 'apply') pending.push(...value.args);
    if (value.kind === 'accumulated') {
      accumulators.add(`${value.loop}_${value.accumulator}`);
      const a = loops.get(value.loop)?.accumulators[value.accumulator];
      if (a !== undefined) pending.push(a.value, ...(a.where === null ? [] : [a.where]));
    }
  }
  return { values, accumulators };
}

/** Every loop of a kernel by its number. */
export function loopsOf(kernel: Kernel): ReadonlyMap<number, LoopStep> {
  const loops = new Map<number, LoopStep>();
  const visit = (steps: readonly Step[]): void => {
    for (const s of steps) {
      if (s.kind !== 'loop') continue;
      loops.set(s.id, s);
      visit(s.steps);
    }
  };
  visit(kernel.steps);
  return loops;
}

/** Numbers of a row that a kernel's loops at the row's level need at hand: what they read of it, and what they sum. */
export function numbersHeld(kernel: Kernel): number {
  const read = new Set<ValueId>();
  let sums = 0;
  for (const loop of loopsOf(kernel).values()) sums += loop.accumulators.length;
  for (const value of kernel.values) {
    if (value.depth === 0 || value.kind !== 'apply') continue;
    for (const a of value.args) {
      const { depth, varies } = valueNumbered(kernel, a);
      if (depth === 0 && varies) read.add(a);
    }
  }
  return read.size + sums;
}
