/**
 * How what own rows add to bound rows is summed without atomics: the same kernel with the loops turned around.
 *
 *   Γ_j = Σ_i F_y(x_i, y_j)ᵀ κ_i        a thread owns the bound row j and visits the own rows i
 *
 * Own rows hand over what depends on them alone, through workgroup memory, a chunk at a time; everything that depends
 * on the pair is computed again. Where there are fewer bound rows than threads, `parts` threads share one and visit
 * every parts-th own row; the parts meet in order. Sums are kept per chunk and then added. All of it is settled by the
 * job: the order of a sum is the same on every device.
 */
import { invariant } from '../../errors.ts';
import type { Kernel, KernelScatter, LoopStep, Step, ValueId } from '../ir/kernel.ts';
import { code, plus, whole } from './code.ts';
import {
  type Body,
  compute,
  endOf,
  innerSteps,
  inside,
  loopsOf,
  meetSums,
  type Needed,
  neededBy,
  operand,
  type Site,
  strided,
  tileRows,
  turnsOf,
  valueNumbered,
} from './row-body.ts';

type RowTarget = Extract<KernelScatter['target'], { kind: 'row' }>;
type RowScatter = KernelScatter & { readonly target: RowTarget };

/** Scatters to the bound rows of one loop that stand in one loop nest. */
export interface Pass {
  /** Loops from the row's level to the scatters, outermost first. */
  readonly chain: readonly LoopStep[];
  /** Number of the loop whose rows are added to. */
  readonly target: number;
  readonly scatters: readonly RowScatter[];
}

/** The transposed passes of a kernel, in the order of its loops. */
export function passesOf(kernel: Kernel): readonly Pass[] {
  const passes: Pass[] = [];
  const visit = (steps: readonly Step[], chain: readonly LoopStep[]): void => {
    for (const step of steps) {
      if (step.kind !== 'loop') continue;
      const here = [...chain, step];
      const rows = step.scatters.filter((s): s is RowScatter => s.target.kind === 'row');
      for (const target of new Set(rows.map((s) => s.target.loop))) {
        passes.push({ chain: here, target, scatters: rows.filter((s) => s.target.loop === target) });
      }
      visit(step.steps, here);
    }
  };
  visit(kernel.steps, []);
  return passes;
}

/** Values of the row's level that differ from row to row and that a pass needs: what own rows hand over. */
export function handedOver(kernel: Kernel, pass: Pass): readonly ValueId[] {
  const needed = neededOf(kernel, pass);
  const inner = new Set(
    [...needed.values].filter((id) => {
      const v = valueNumbered(kernel, id);
      return v.depth > 0;
    }),
  );
  const read = new Set<ValueId>(rootsOf(pass));
  for (const id of inner) {
    const v = valueNumbered(kernel, id);
    if (v.kind === 'apply') for (const a of v.args) read.add(a);
  }
  for (const loop of loopsOf(kernel).values()) {
    for (const [n, a] of loop.accumulators.entries()) {
      if (!needed.accumulators.has(`${loop.id}_${n}`)) continue;
      read.add(a.value);
      if (a.where !== null) read.add(a.where);
    }
  }
  return [...read]
    .filter((id) => {
      const v = valueNumbered(kernel, id);
      return v.depth === 0 && v.varies;
    })
    .sort((a, b) => a - b);
}

/** What a pass needs, up to what is known at the row's level. */
function neededOf(kernel: Kernel, pass: Pass): Needed {
  const loops = loopsOf(kernel);
  const values = new Set<ValueId>();
  const accumulators = new Set<string>();
  const pending = [...rootsOf(pass)];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const value = valueNumbered(kernel, id);
    if (values.has(id) || value.depth === 0) continue;
    values.add(id);
    if (value.kind === 'apply') pending.push(...value.args);
    if (value.kind !== 'accumulated') continue;
    accumulators.add(`${value.loop}_${value.accumulator}`);
    const a = loops.get(value.loop)?.accumulators[value.accumulator];
    if (a !== undefined) pending.push(a.value, ...(a.where === null ? [] : [a.where]));
  }
  return { values, accumulators };
}

const rootsOf = (pass: Pass): readonly ValueId[] =>
  pass.scatters.flatMap((s) => (s.where === null ? [s.value] : [s.value, s.where]));

/** Values of the row's level that a kernel's passes read there: what the row's own part must compute for them. */
export function readByPasses(kernel: Kernel): readonly ValueId[] {
  return passesOf(kernel).flatMap((pass) => {
    const all = neededBy(kernel, rootsOf(pass)).values;
    return [...all].filter((id) => valueNumbered(kernel, id).depth === 0);
  });
}

/** How the threads of a workgroup share a pass, and where the own rows come from. */
export interface PassPlan {
  readonly site: Site;
  /** Threads of the workgroup, and those that share a bound row: powers of two. */
  readonly threads: number;
  readonly parts: number;
  /** Bound rows that a thread has at once: what it reads of an own row serves them all (`boundRowsEach`). */
  readonly each: number;
  /** As in a crew. */
  readonly turns: number;
  /** Own rows visited: a number, or an expression below `rowsMax`. */
  readonly rows: number;
  /** First bound row of this workgroup and bound rows from one to its next, as expressions; all rows when null. */
  readonly groups: { readonly index: string; readonly count: string } | null;
  /** Statements that put own rows [chunk, chunk + size) into `tile`. */
  readonly stage: (chunk: string, size: number, values: readonly ValueId[]) => string;
  /** Adds an expression to a column of a bound row. */
  readonly add: (table: string, column: number, index: string, value: string) => string;
}

/** Parts of a pass over so many bound rows: all threads are busy, and no part is without own rows. */
export function partsFor(boundRows: number, ownRows: number, threads: number): number {
  const targets = 2 ** Math.ceil(Math.log2(Math.max(1, Math.min(boundRows, threads))));
  return Math.max(1, Math.min(threads / targets, 2 ** Math.floor(Math.log2(Math.max(1, ownRows)))));
}

/** Own rows staged at once. */
export function chunkRows(values: number, rows: number, threads: number): number {
  return Math.min(tileRows(Math.ceil(values / 4), threads), 2 ** Math.ceil(Math.log2(Math.max(1, rows))));
}

/** Numbers that a thread may hold for its bound rows. */
const heldMax = 80;
/** A thread has several bound rows where there are so many for each. */
const boundRowsMin = 8;

/** Bound rows a thread may have at once in a pass: one where loops stand in loops. */
export function boundRowsEach(kernel: Kernel, pass: Pass, boundRows: number): number {
  const [only] = pass.chain;
  if (only === undefined || pass.chain.length > 1 || only.steps.some((s) => s.kind === 'loop')) return 1;
  const needed = neededOf(kernel, pass).values;
  const columns = [...needed].filter((id) => valueNumbered(kernel, id).kind === 'row').length;
  const held = columns + 2 * pass.scatters.length;
  return [4, 2].find((n) => n * held <= heldMax && boundRows >= n * boundRowsMin) ?? 1;
}

const boundSuffixes = (each: number): readonly { readonly bound: string }[] =>
  Array.from({ length: each }, (_, c) => ({ bound: each === 1 ? '' : `_${c}` }));

export function transposedPass(kernel: Kernel, pass: Pass, plan: PassPlan): string {
  const { target } = pass;
  const loop = pass.chain.find((l) => l.id === target);
  invariant(loop !== undefined, 'a scatter adds to rows of a loop it stands in');
  const count = plan.site.rowsOf(loop.loop.over);
  const targets = plan.threads / plan.parts;
  const bound = boundSuffixes(plan.each);
  const values = handedOver(kernel, pass);
  const size = chunkRows(values.length, plan.rows, plan.threads);
  const vectors = Math.ceil(values.length / 4);
  const body: Body = {
    kernel,
    site: plan.site,
    needed: neededOf(kernel, pass),
    rows: bound,
    scatter: (s) => {
      const n = pass.scatters.indexOf(s as RowScatter);
      if (n === -1) return null;
      const lines = bound.map((b) => {
        const added = `part${n}${endOf(b)} += ${operand(kernel, s.value, b)};`;
        return s.where === null ? added : `if (${operand(kernel, s.where, b)} != 0f) { ${added} }`;
      });
      return lines.join('\n');
    },
  };
  const together = targets * bound.length;
  const first = plan.groups === null ? '0u' : `${plan.groups.index} * ${whole(together)}`;
  const stride = plan.groups === null ? whole(together) : `${plan.groups.count} * ${whole(together)}`;
  const fixed = fixedSteps(body, pass);
  const turns = pass.chain.length > 1 ? 1 : turnsOf(loop, plan);
  const sums = pass.scatters.flatMap((_, n) => bound.map((b) => `${n}${endOf(b)}`));
  return code`
    for (var base = ${first}; base < ${whole(count)}; base += ${stride}) {
      ${bound.map((b, c) => `let j${target}${endOf(b)} = min(${plus(`base + lane % ${whole(targets)}`, c * targets)}, ${whole(count - 1)});`)}
      ${fixed.flatMap((id) => bound.map((b) => compute(kernel, id, plan.site, b)))}
      ${sums.map((n) => `var sum${n} = 0f;`)}
      for (var chunk = 0u; chunk < ${whole(plan.rows)}; chunk += ${whole(size)}) {
        workgroupBarrier();
        ${plan.stage('chunk', size, values)}
        workgroupBarrier();
        ${sums.map((n) => `var part${n} = 0f;`)}
        let visited = min(${whole(size)}, ${whole(plan.rows)} - chunk);
        ${strided(
          { at: 'r', from: `lane / ${whole(targets)}`, end: 'visited', stride: plan.parts, turns },
          (r) => code`
            let own = chunk + ${r};
            ${Array.from({ length: vectors }, (_, n) => `let own${n} = tile[${r} * ${whole(vectors)} + ${whole(n)}];`)}
            ${values.map((v, n) => `let ${operand(kernel, v)} = own${Math.floor(n / 4)}.${'xyzw'[n % 4] ?? ''};`)}
            ${chainBody(body, pass, 0, fixed)}
          `,
        )}
        ${sums.map((n) => `sum${n} += part${n};`)}
      }
      ${
        plan.parts > 1
          ? meetSums(
              sums.map((n) => `sum${n}`),
              targets,
            )
          : ''
      }
      ${bound.map(
        (b, c) => code`
          if (lane < ${whole(targets)} && ${plus('base + lane', c * targets)} < ${whole(count)}) {
            ${pass.scatters.map((s, n) => {
              const table = kernel.tables[s.target.table];
              invariant(table !== undefined, 'a scatter adds to a table of the kernel');
              return plan.add(table.name, s.target.column, `j${target}${endOf(b)}`, `sum${n}${endOf(b)}`);
            })}
          }
        `,
      )}
    }
  `;
}

/** Values of the bound row alone: computed once, outside the loop over own rows. */
function fixedSteps({ kernel, needed }: Body, pass: Pass): readonly ValueId[] {
  const [only] = pass.chain;
  if (only === undefined || pass.chain.length > 1) return [];
  const known = new Set<ValueId>();
  for (const s of only.steps) {
    if (s.kind === 'loop' || !needed.values.has(s.value)) continue;
    const v = valueNumbered(kernel, s.value);
    const ready = (id: ValueId): boolean => {
      const a = valueNumbered(kernel, id);
      return known.has(id) || a.kind === 'constant' || (a.depth === 0 && !a.varies);
    };
    const fixed =
      v.kind === 'apply' ? !v.varies && v.args.every(ready) : !v.varies && v.kind !== 'accumulated';
    if (fixed) known.add(s.value);
  }
  return [...known];
}

/** The loops of the nest from the outermost in: that of the target has its row, the others are run. */
function chainBody(body: Body, pass: Pass, depth: number, known: readonly ValueId[]): string {
  const loop = pass.chain[depth];
  invariant(loop !== undefined, 'the chain ends with the loop of the scatters');
  const next = pass.chain[depth + 1];
  const lines =
    next === undefined
      ? inside(body, loop, known)
      : [
          ...innerSteps(
            body,
            loop.steps.filter((s) => s !== next),
            known,
          ),
          chainBody(body, pass, depth + 1, known),
        ];
  if (loop.id === pass.target) return lines.filter((l) => l !== '').join('\n');
  return code`
    for (var j${loop.id} = 0u; j${loop.id} < ${whole(body.site.rowsOf(loop.loop.over))}; j${loop.id}++) {
      ${lines}
    }
  `;
}
