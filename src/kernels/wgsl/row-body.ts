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
import { code, real, whole } from './code.ts';
import { type Crew, workgroupThreads } from './crew.ts';

/** Where a kernel finds what it reads. Expressions are of type f32, indices of type u32. */
export interface Site {
  readonly own: (bank: string, component: number) => string;
  readonly table: (table: string, column: number, index: string) => string;
  readonly pair: (field: string, component: number, row: string, bound: string) => string;
  readonly param: (component: number) => string;
  readonly sum: (index: number) => string;
  /** Number of the own row among all rows of its group. */
  readonly row: string;
  readonly rowsOf: (over: string) => number;
}

/** Four-vectors of a tile of bound rows, or of staged own rows: 14 KiB of the 16 KiB that every device has. */
export const tileVectors = 896;

/** Bound rows of a tile when each brings so many four-vectors. */
export function tileRows(vectors: number): number {
  const most = Math.max(1, Math.floor(tileVectors / Math.max(1, vectors)));
  return Math.min(workgroupThreads, 2 ** Math.floor(Math.log2(most)));
}

/** The name of a value, or its literal. */
export function operand(kernel: Kernel, id: ValueId): string {
  const value = valueNumbered(kernel, id);
  switch (value.kind) {
    case 'accumulated':
      return `a${value.loop}_${value.accumulator}`;
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
      return `v${id}`;
  }
}

export function valueNumbered(kernel: Kernel, id: ValueId): Value {
  const value = kernel.values[id];
  invariant(value !== undefined, 'operands are values of the kernel');
  return value;
}

/** `let v3 = …;`, nothing for what is written where it is used. */
export function compute(kernel: Kernel, id: ValueId, site: Site): string {
  const value = valueNumbered(kernel, id);
  const text = expression(kernel, value, site);
  return text === null ? '' : `let v${id} = ${text};`;
}

function expression(kernel: Kernel, value: Value, site: Site): string | null {
  switch (value.kind) {
    case 'accumulated':
    case 'constant':
      return null;
    case 'apply':
      return opNamed(value.op).wgsl(...value.args.map((a) => operand(kernel, a)));
    case 'index':
      return `f32(${value.loop === null ? site.row : `j${value.loop}`})`;
    case 'own': {
      const bank = kernel.banks[value.bank];
      invariant(bank !== undefined, 'own values are read from a bank of the kernel');
      return site.own(bank.name, value.component);
    }
    case 'pair': {
      const pair = kernel.pairs[value.pair];
      invariant(pair !== undefined, 'weights are read from a pair field of the kernel');
      return site.pair(pair.field, value.component, site.row, `j${value.loop}`);
    }
    case 'param':
      return site.param(value.component);
    case 'row':
      return site.table(tableOf(kernel, value.table), value.column, `j${value.loop}`);
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
  return body.kernel.steps.map((step) =>
    step.kind === 'compute' ? computed(body, step.value) : topLoop(body, step, crew),
  );
}

function computed({ kernel, site, needed }: Body, id: ValueId): string {
  return needed.values.has(id) ? compute(kernel, id, site) : '';
}

function topLoop(body: Body, loop: LoopStep, crew: Crew): string {
  if (!leavesSomething(body, loop)) return '';
  const { id } = loop;
  const count = body.site.rowsOf(loop.loop.over);
  const columns = columnsOf(body, loop);
  const vectors = Math.ceil(columns.length / 4);
  const size = tileRows(vectors);
  return code`
    ${declarations(body, loop)}
    for (var first${id} = 0u; first${id} < ${whole(count)}; first${id} += ${whole(size)}) {
      ${stageTile(body, loop, columns, size, count)}
      let last${id} = min(${whole(size)}, ${whole(count)} - first${id});
      for (var l${id} = split; l${id} < last${id}; l${id} += ${whole(crew.lanes)}) {
        let j${id} = first${id} + l${id};
        ${Array.from({ length: vectors }, (_, n) => `let w${id}_${n} = tile[l${id} * ${whole(vectors)} + ${whole(n)}];`)}
        ${columns.map((v, n) => `let v${v} = w${id}_${Math.floor(n / 4)}.${'xyzw'[n % 4] ?? ''};`)}
        ${inside(body, loop, columns)}
      }
    }
    ${crew.lanes > 1 ? used(body, loop).map(([a, n]) => meetLanes(a, id, n, crew)) : ''}
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
    ...used(body, loop).map(([a, n]) => accumulate(body.kernel, a, loop.id, n)),
    ...loop.scatters.flatMap((s) => body.scatter(s) ?? []),
  ];
}

export function innerSteps(body: Body, steps: readonly Step[], known: readonly ValueId[]): readonly string[] {
  return steps.flatMap((s) => {
    if (s.kind === 'loop') return [innerLoop(body, s)];
    return known.includes(s.value) ? [] : [computed(body, s.value)];
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
  used(body, loop).map(([a, n]) => declare(a, loop.id, n));

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
): string {
  if (columns.length === 0) return '';
  const reads = columns.map((v) => {
    const value = valueNumbered(kernel, v);
    invariant(value.kind === 'row', 'a column is read from a table');
    return site.table(tableOf(kernel, value.table), value.column, `j${id}`);
  });
  return code`
    workgroupBarrier();
    if (lane < ${whole(size)}) {
      let j${id} = min(first${id} + lane, ${whole(count - 1)});
      ${storeVectors('tile', 'lane', reads)}
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
export function declare(a: Accumulator, loop: number, n: number): string {
  const name = `a${loop}_${n}`;
  return isArg(a) ? `var ${name} = -1f;\nvar ${name}_at = 0f;` : `var ${name} = ${starts[a.by]};`;
}

/** The value of this bound row enters. Rows come in ascending order, so that the first of equals stays. */
export function accumulate(kernel: Kernel, a: Accumulator, loop: number, n: number): string {
  const value = operand(kernel, a.value);
  const entered = enter(a, `a${loop}_${n}`, value, `f32(j${loop})`);
  return a.where === null ? entered : `if (${operand(kernel, a.where)} != 0f) { ${entered} }`;
}

function enter(a: Accumulator, held: string, value: string, index: string): string {
  if (a.by === 'sum') return `${held} += ${value};`;
  if (isArg(a))
    return `if (${held} < 0f || ${value} ${sign(a)} ${held}_at) { ${held} = ${index}; ${held}_at = ${value}; }`;
  // A value that is not a number is kept, so that it is seen.
  return `if (${value} ${sign(a)} ${held} || is_nan(${value})) { ${held} = ${value}; }`;
}

/** The accumulators of a row's lanes become one, in every lane. */
function meetLanes(a: Accumulator, loop: number, n: number, { rows }: Crew): string {
  const held = `a${loop}_${n}`;
  if (a.by === 'sum') return `${held} = meet(${whole(rows)}, ${held});`;
  if (!isArg(a)) return `${held} = meet_${a.by}(${whole(rows)}, ${held});`;
  return `${held} = meet_${a.by}(${whole(rows)}, ${held}, ${held}_at);`;
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
