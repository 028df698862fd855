/**
 * Which blocks of one step's Jacobian are zero, diagonal or dense? The structure KeOps issue 301 asks about, read off the
 * formulas of a job.
 */
import type { Leaf } from '../kernels/ir/expr.ts';
import { postorder } from '../kernels/ir/walk.ts';
import { schemeNamed } from '../kernels/schemes/table.ts';
import { simplify } from '../kernels/simplify/simplify.ts';
import type { System } from '../kernels/system.ts';

/**
 * How the rows of one field depend on the rows of another:
 *
 *   zero      not at all
 *   diagonal  row by row: N blocks of d × d on the diagonal and nothing else
 *   dense     every row on every row (or on the one row of a parameter)
 */
export type BlockKind = 'dense' | 'diagonal' | 'zero';

/** A field as a line of the block matrix. */
export interface Line {
  /** Its name. */
  readonly field: string;
  /** `tracers`, `sources`, `pairs`, `params`, or the name of a set. */
  readonly group: string;
  /** How many it has. */
  readonly rows: number;
  /** Numbers in a row. */
  readonly width: number;
}

/** Which blocks of ∂(state after a step)/∂(what the step reads) are zero, diagonal or dense. */
export interface Jacobian {
  /** Evolving fields, the tracers' first. */
  readonly rows: readonly Line[];
  /** Everything the step reads: the same fields, then constants, sets, weights and parameters. */
  readonly columns: readonly Line[];
  /** kinds[row][column] */
  readonly kinds: readonly (readonly BlockKind[])[];
}

/**
 * Block structure of ∂(state after a step)/∂(state before, constants, parameters).
 *
 * A step of s stages is s compositions of I + h·f, so its structure is the (boolean) product of s factors I + A with A
 * the structure of the flow.
 */
export function jacobian(system: System): Jacobian {
  const rows = lines(system, 'evolving');
  const columns = [...rows, ...lines(system, 'constant')];
  const flow = rows.map((row) => columns.map((column) => dependence(system, row, column)));
  const step = flow.map((line, r) => line.map((kind, c) => (r === c ? wider(kind, 'diagonal') : kind)));
  let kinds = step;
  for (let k = 1; k < compositions(system); k++) kinds = product(step, kinds, rows.length);
  return { rows, columns, kinds };
}

/** Factors I + h·f in one step: the stages, or drift, kick and drift. */
function compositions(system: System): number {
  if (system.scheme === null) return 0;
  const scheme = schemeNamed(system.scheme);
  return scheme.kind === 'leapfrog' ? 3 : scheme.b.length;
}

function lines(system: System, part: 'constant' | 'evolving'): Line[] {
  const of = (group: string, found: System['tracers']): Line[] =>
    (found?.[part] ?? []).map(({ name, width }) => ({ field: name, group, rows: found?.rows ?? 0, width }));
  const groups = [...of('tracers', system.tracers), ...of('sources', system.sources)];
  if (part === 'evolving') return groups;
  const m = system.sources?.rows ?? 0;
  return [
    ...groups,
    ...[...system.sets].flatMap(([name, set]) => of(name, set)),
    ...system.pairs.map(({ name, width }) => ({ field: name, group: 'pairs', rows: m * m, width })),
    ...system.params.map(({ name, width }) => ({ field: name, group: 'params', rows: 1, width })),
  ];
}

/** How the flow of one field depends on another. */
function dependence(system: System, row: Line, column: Line): BlockKind {
  const flow = system.flow.get(row.field);
  if (flow === undefined) return 'zero';
  let kind: BlockKind = 'zero';
  for (const node of postorder(simplify(flow))) {
    if (node.kind === 'input' && fieldOf(node.leaf) === column.field) {
      kind = wider(kind, node.leaf.role === 'own' ? 'diagonal' : 'dense');
    }
  }
  return kind;
}

function fieldOf(leaf: Leaf): string | null {
  return 'field' in leaf ? leaf.field : null;
}

const order: readonly BlockKind[] = ['zero', 'diagonal', 'dense'];

function wider(a: BlockKind, b: BlockKind): BlockKind {
  return order.indexOf(a) >= order.indexOf(b) ? a : b;
}

/** Structure of A·B: `a` leads to the first `inner` columns, which are the rows of `b`; constants pass through `a`. */
function product(
  a: readonly (readonly BlockKind[])[],
  b: readonly (readonly BlockKind[])[],
  inner: number,
): BlockKind[][] {
  return a.map((line) =>
    line.map((direct, c) => {
      let kind: BlockKind = c < inner ? 'zero' : direct;
      for (let m = 0; m < inner; m++) kind = wider(kind, through(line[m] ?? 'zero', b[m]?.[c] ?? 'zero'));
      return kind;
    }),
  );
}

function through(a: BlockKind, b: BlockKind): BlockKind {
  if (a === 'zero' || b === 'zero') return 'zero';
  return a === 'diagonal' && b === 'diagonal' ? 'diagonal' : 'dense';
}
