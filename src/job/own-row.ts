/**
 * Which sums of a job take in a pair of a source with itself where its term has no value? `(q[k] - q) / norm(q[k] - q)` is 0/0 at
 * k = j, and `sum(k != j, …)` leaves it out.
 */
import { isSkewflowError, SkewflowError } from '../errors.ts';
import { type Expr, type Leaf, type Loop, loopKey, operands } from '../kernels/ir/expr.ts';
import { postorder } from '../kernels/ir/walk.ts';
import { opNamed } from '../kernels/ops/table.ts';
import type { System } from '../kernels/system.ts';

type Formulas = Pick<System, 'flow' | 'sources' | 'terms'>;

/** A formula with such a sum. */
export interface OwnRow {
  /** As messages name it: the flow of `q`. */
  readonly formula: string;
  readonly what: 'loss' | 'state';
}

/** The formulas that have no value because a source meets itself, however the sources lie. */
export function singularOwnRows({ flow, sources, terms }: Formulas): readonly OwnRow[] {
  const evolving = new Set((sources?.evolving ?? []).map(({ name }) => name));
  const flows = [...flow]
    .filter(([field, value]) => isSingular(value, evolving.has(field)))
    .map(([field]): OwnRow => ({ formula: `the flow of \`${field}\``, what: 'state' }));
  const losses = terms.flatMap(({ value, sums }, n): readonly OwnRow[] =>
    [value, ...sums.map(({ body }) => body)].some((formula) => isSingular(formula, false))
      ? [{ formula: terms.length === 1 ? 'the loss' : `term ${n + 1} of the loss`, what: 'loss' }]
      : [],
  );
  return [...flows, ...losses];
}

/** What to do about such a formula. */
export function ownRowAdvice({ formula }: OwnRow): string {
  return `${formula} sums over all sources, a source itself among them, where the term is not finite: leave it out, as in \`sum(k != j, …)\``;
}

/** A run's error with what to do, where a source that meets itself explains it. */
export function withOwnRowAdvice(error: unknown, system: Formulas): unknown {
  if (!isSkewflowError(error, 'NonFiniteError')) return error;
  const { what, group } = error.details;
  const found = singularOwnRows(system).find((row) => row.what === what);
  const advice =
    found !== undefined
      ? ownRowAdvice(found)
      : what === 'gradient' && group === 'sources' && sumsOwnPairs(system)
        ? 'a source meets itself in a sum over pairs of sources: if that is where, leave it out, as in `sum(k != j, …)`'
        : null;
  if (advice === null) return error;
  return new SkewflowError(error.tag, `${error.message}; ${advice}`, error.details, { cause: error });
}

/** Whether the flow of a source sums over all sources, itself among them. */
function sumsOwnPairs({ flow, sources }: Formulas): boolean {
  return (sources?.evolving ?? []).some(({ name }) => {
    const formula = flow.get(name);
    return (
      formula !== undefined &&
      postorder(formula).some((e) => e.kind === 'reduce' && e.loop.over === 'sources' && e.where === null)
    );
  });
}

/** Whether a sum over sources in it has a term that is finite for two sources and is not for one that meets itself. */
function isSingular(formula: Expr, ownIsSource: boolean): boolean {
  const sums = postorder(formula).filter((e) => e.kind === 'reduce' && e.loop.over === 'sources');
  if (sums.length === 0) return false;
  const [apart, together] = [valuesAt(formula, ownIsSource, false), valuesAt(formula, ownIsSource, true)];
  return sums.some((e) => {
    if (e.kind !== 'reduce' || (e.where !== null && together(e.where)[0] === 0)) return false;
    return apart(e.body).every(Number.isFinite) && !together(e.body).every(Number.isFinite);
  });
}

/**
 * Values of the nodes of a formula where every input is some number from 0.3 to 0.9, the same number for the same field of the
 * same row, and all sources are different rows or all the same one. A reduction has the value of one of its terms.
 */
function valuesAt(root: Expr, ownIsSource: boolean, together: boolean): (node: Expr) => readonly number[] {
  const numbers = new Map<string, readonly number[]>();
  const rowOf = (loop: Loop | null): string => {
    const isSource = loop === null ? ownIsSource : loop.over === 'sources';
    return isSource && together ? 'source' : loopKey(loop);
  };
  const given = (key: string, width: number): readonly number[] => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    // A golden-ratio sequence: no two numbers are equal.
    const first = [...numbers.values()].reduce((n, { length }) => n + length, 1);
    const fresh = Array.from(
      { length: width },
      (_, c) => 0.3 + 0.6 * (((first + c) * 0.6180339887498949) % 1),
    );
    numbers.set(key, fresh);
    return fresh;
  };
  const keyOf = (leaf: Leaf): string => {
    if (leaf.role === 'own') return `${rowOf(null)} ${leaf.field}@${leaf.at}`;
    if (leaf.role === 'row') return `${rowOf(leaf.loop)} ${leaf.field}@${leaf.at}`;
    if (leaf.role === 'index') return `${rowOf(leaf.loop)} index`;
    return JSON.stringify(leaf);
  };
  const values = new Map<Expr, readonly number[]>();
  const computed = (node: Expr): readonly number[] => {
    const [first = []] = operands(node).map((operand) => values.get(operand) ?? []);
    switch (node.kind) {
      case 'apply': {
        const args = node.args.map((arg) => values.get(arg) ?? []);
        const at = (c: number): number[] => args.map((arg) => arg[arg.length === 1 ? 0 : c] ?? Number.NaN);
        return Array.from({ length: node.width }, (_, c) => opNamed(node.op).evaluate(...at(c)));
      }
      case 'concat':
        return node.args.flatMap((arg) => values.get(arg) ?? []);
      case 'constant':
        return [node.value];
      case 'input':
        return given(keyOf(node.leaf), node.width);
      case 'part':
        return first.slice(node.start, node.start + node.width);
      case 'reduce':
        return values.get(node.body) ?? [];
      case 'total':
        return [first.reduce((sum, x) => sum + x, 0)];
    }
  };
  for (const node of postorder(root)) values.set(node, computed(node));
  return (node) => values.get(node) ?? [];
}
