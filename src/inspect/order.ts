/** Does the scheme converge at the order it declares? Measured by halving every step. */
import { type Expr, input, operands } from '../kernels/ir/expr.ts';
import { memoised, postorder } from '../kernels/ir/walk.ts';
import { type OpName, opNamed } from '../kernels/ops/table.ts';
import { schemeNamed } from '../kernels/schemes/table.ts';
import { placeGrid } from '../kernels/sweep/grid.ts';
import type { Evaluator } from './evaluator.ts';
import { distance, norm } from './norms.ts';
import type { Arrays, Problem } from './problem.ts';

/**
 * declared   as declared, or better
 * rounding   the differences are rounding already: nothing to measure
 * lower      settled at a lower order
 * unsettled  the steps are too long, or the work too much, to see the order
 */
export type OrderVerdict = 'declared' | 'lower' | 'rounding' | 'unsettled';

/** The order that halving the steps shows. */
export interface MeasuredOrder {
  /** log₂ of the ratio of successive differences, one for each halving after the second. */
  readonly orders: readonly number[];
  /** What they say of the declared order. */
  readonly verdict: OrderVerdict;
  /** ‖difference of the job's own steps and half of them‖ ÷ ‖value‖: about the error of the job's own steps. */
  readonly error: number;
}

/** The order of the scheme, as declared and as measured on the job. */
export interface OrderReport {
  /** Its name in job files. */
  readonly scheme: string;
  /** Its order by its record. */
  readonly declared: number;
  /** Measured on the states at the end time. */
  readonly states: MeasuredOrder;
  /** Null where the loss itself depends on the number of steps, or no gradient is wanted. */
  readonly gradient: MeasuredOrder | null;
  /** Whether the flow has no kinks and jumps, without which no order is promised. */
  readonly smooth: boolean;
}

/** Halvings at most, and as many as are needed to see the order. */
const halvingsMax = 6;
/** Relative differences below this are rounding. */
const roundingFloor = 1e-12;
/** How far below the declared order a measured one may lie. */
const slack = 0.35;
/** Two successive measurements that agree so well are settled. */
const settledWithin = 0.15;

/**
 * The order of the job's scheme on the job's own problem; null for a job without one.
 *
 * With steps h, h/2, h/4, … and u_h what they lead to, ‖u_h − u_{h/2}‖ ÷ ‖u_{h/2} − u_{h/4}‖ → 2^order.
 *
 * @param evaluationsMax - work of all evaluations together, in units of one at the job's own steps
 */
export async function measureOrder(
  problem: Problem,
  oracle: Evaluator,
  evaluationsMax: number,
): Promise<OrderReport | null> {
  const { system } = problem;
  if (system.scheme === null || problem.grid.times.length < 2) return null;
  const scheme = schemeNamed(system.scheme);
  const everyStep = system.terms.some((t) => t.at.kind === 'every-step');
  const gradients = system.gradient.length > 0 && !everyStep;
  const states = new Series(scheme.order);
  const gradient = new Series(scheme.order);
  let { times } = problem.grid;
  for (let halving = 0, spent = 1; halving <= halvingsMax && spent <= evaluationsMax; halving++) {
    const grid = placeGrid(system, problem.program.terms, times);
    const answer = await oracle.evaluate({ grid });
    states.add(joined(answer.final));
    if (gradients) gradient.add(joined(answer.gradient));
    if (states.done && (!gradients || gradient.done)) break;
    times = halved(times);
    spent += 2 ** (halving + 1);
  }
  return {
    scheme: scheme.name,
    declared: scheme.order,
    states: states.measured(),
    gradient: gradients ? gradient.measured() : null,
    smooth: [...system.flow.values()].every(isSmooth),
  };
}

/** Differences between successive refinements. */
class Series {
  readonly #declared: number;
  readonly #differences: number[] = [];
  #last: Float64Array | null = null;

  constructor(declared: number) {
    this.#declared = declared;
  }

  /** Takes the next refinement; once the order is settled, no more: the next may be rounding. */
  add(value: Float64Array): void {
    if (this.done) return;
    if (this.#last !== null && norm(value) > 0) this.#differences.push(distance(this.#last, value));
    this.#last = value;
  }

  get done(): boolean {
    return this.measured().verdict !== 'unsettled';
  }

  measured(): MeasuredOrder {
    const usable = this.#differences.filter((d) => d > roundingFloor);
    const orders = usable.slice(1).map((d, k) => Math.log2((usable[k] as number) / d));
    const error = this.#differences[0] ?? 0;
    const [last, before] = [orders.at(-1), orders.at(-2)];
    const rounding = this.#differences.length > usable.length;
    const verdict = ((): OrderVerdict => {
      if (last !== undefined && Math.abs(last - this.#declared) <= slack) return 'declared';
      if (last !== undefined && before !== undefined && Math.abs(last - before) <= settledWithin) {
        return last > this.#declared ? 'declared' : 'lower';
      }
      return rounding ? 'rounding' : 'unsettled';
    })();
    return { orders, verdict, error };
  }
}

/** Every step in two. */
function halved(times: Float64Array): Float64Array {
  const finer = new Float64Array(2 * times.length - 1);
  for (let k = 0; k < finer.length; k++) {
    const [a, b] = [times[k >> 1] as number, times[(k + 1) >> 1] as number];
    finer[k] = k % 2 === 0 ? a : (a + b) / 2;
  }
  return finer;
}

/** All arrays one after another, in the order of their names. */
function joined(arrays: Arrays): Float64Array {
  const names = [...arrays.keys()].sort();
  return Float64Array.from(names.flatMap((name) => [...(arrays.get(name) ?? [])]));
}

/** Whether no operation on what changes in time has a kink or jumps; a condition on row numbers is none. */
function isSmooth(flow: Expr): boolean {
  const moves = memoised<boolean>((node, of) =>
    node.kind === 'input'
      ? ['own', 'row', 'time'].includes(node.leaf.role)
      : operands(node).some((operand) => of(operand)),
  );
  return postorder(flow).every((node) => {
    if (!moves(node)) return true;
    if (node.kind === 'reduce') return node.by === 'sum';
    return node.kind !== 'apply' || hasDerivatives(node.op);
  });
}

/** Whether an operation and its derivatives have derivatives: |x| has, and its sign has none. */
function hasDerivatives(name: OpName): boolean {
  const op = opNamed(name);
  const placeholders = ['a', 'b', 'c'].map((field) => input({ role: 'param', field }, 1));
  const first = op.derivative(...placeholders.slice(0, op.arity));
  return first.every((d) => d !== null && postorder(d).every((node) => !isFlat(node)));
}

/** An operation without a derivative by one of its arguments is constant between jumps of it: a comparison, a floor. */
function isFlat(node: Expr): boolean {
  if (node.kind !== 'apply') return false;
  return opNamed(node.op)
    .derivative(...node.args)
    .some((d) => d === null);
}
