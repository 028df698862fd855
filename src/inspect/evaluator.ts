/** What are loss, gradient and end states of a problem on an engine, for these numbers? Asked as a coordinator asks. */
import { Adder } from '../coordinator/answers.ts';
import { invariant, SkewflowError } from '../errors.ts';
import type { Grid } from '../kernels/sweep/program.ts';
import type { Field } from '../kernels/system.ts';
import { type Added, lossOf, sumEntries } from '../partition/adding.ts';
import type {
  Counters,
  Engine,
  Evaluation,
  LeafId,
  Partial,
  RowData,
  RowOutputs,
  Session,
} from '../worker/engine/engine.ts';
import type { Arrays, Problem } from './problem.ts';

/** Numbers that take the place of the problem's own. */
export interface Changes {
  readonly shared?: Arrays;
  readonly tracers?: Arrays;
  readonly grid?: Grid;
}

export interface Answer {
  readonly loss: number;
  /** ∂L/∂field of every field in `system.gradient`, row-major; empty when only the loss was asked for. */
  readonly gradient: Arrays;
  /** States at the end: of the tracers by field, and of all sources as one block. */
  readonly final: Arrays;
}

export interface Evaluator extends AsyncDisposable {
  readonly numerics: string;
  /** Loss alone: a forward sweep. NaN where a number stopped being finite. */
  readonly loss: (changes?: Changes) => Promise<number>;
  /**
   * Loss, gradient and end states.
   *
   * @throws NonFiniteError where a number stopped being finite
   */
  readonly evaluate: (changes?: Changes) => Promise<Answer>;
  readonly counters: () => Counters;
}

/** How an evaluator lays the work out; everything on one shard by default. */
export interface EvaluatorOptions {
  readonly threads: number;
  readonly segmentSteps?: number;
  readonly signal?: AbortSignal;
}

/** Load a problem on an engine. The engine stays the caller's. */
export async function evaluatorOn(
  engine: Engine,
  problem: Problem,
  options: EvaluatorOptions,
): Promise<Evaluator> {
  const { program, rows } = problem;
  const segmentSteps = options.segmentSteps ?? Number.MAX_SAFE_INTEGER;
  const plan = { precision: engine.precision, segmentSteps, threads: options.threads };
  const session = await engine.load(program, plan);
  const shard = { index: 0, begin: 0, end: rows.length };
  const leaves: readonly LeafId[] = rows.length === 0 ? ['sources'] : [0, 'sources'];
  let bound: Arrays | null = null;

  const ask = async (want: Evaluation['want'], changes: Changes): Promise<Answer> => {
    const tracers = changes.tracers ?? problem.tracers;
    if (bound !== tracers && rows.length > 0) {
      await session.bind(shard, inPrecision(tracers, engine.precision));
      bound = tracers;
    }
    const inputs = { grid: changes.grid ?? problem.grid, fields: changes.shared ?? problem.shared };
    const request = { inputs, leaves, want, seeds: null, sums: null, rows: noRows };
    return await answer(session, problem, request, options.signal);
  };

  return {
    numerics: engine.numerics,
    loss: async (changes = {}) => {
      try {
        return (await ask('sums', changes)).loss;
      } catch (error) {
        if (error instanceof SkewflowError && error.tag === 'NonFiniteError') return Number.NaN;
        throw error;
      }
    },
    evaluate: (changes = {}) => ask(program.wants.any ? 'gradient' : 'sums', changes),
    counters: () => session.counters(),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

const noRows: RowOutputs = { gradient: [], final: false, trajectory: [], values: false };

/** In one phase, or: the shards' sums, then h and ∂h/∂S on the sources' leaf, then everything backward. */
async function answer(
  session: Session,
  problem: Problem,
  request: Evaluation,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const { program, system } = problem;
  const entries = sumEntries(program, request.inputs.grid);
  const ask = async (part: Evaluation): Promise<Collected> => {
    const adder = new Adder(part.leaves, entries);
    const rows: RowData[] = [];
    const take = (partial: Partial): void => {
      if (partial.kind === 'non-finite') {
        const { group, row, step, what } = partial;
        throw new SkewflowError(
          'NonFiniteError',
          `${what} of ${group} row ${row} at step ${step} is not finite`,
          { group, row, step, what },
        );
      }
      adder.put(partial.leaf, partial);
    };
    const partials: Partial[] = [];
    await session.evaluate(part, { partial: (p) => partials.push(p), rows: (r) => rows.push(r) }, signal);
    for (const partial of partials) take(partial);
    return { added: adder.total(), rows };
  };
  const wanted: RowOutputs = { ...noRows, gradient: tracerGradients(problem), final: system.scheme !== null };
  const twoPhases = program.phases === 2 && problem.rows.length > 0;
  if (!twoPhases) {
    const rows = request.want === 'gradient' ? wanted : noRows;
    const { added, rows: outputs } = await ask({ ...request, rows });
    return settled(problem, lossOf(entries, added.sums, added.loss), added, outputs);
  }
  const { added: forward } = await ask({ ...request, want: 'sums', leaves: [0] });
  const { sums, winners } = forward;
  const { added: head } = await ask({ ...request, want: 'sums', leaves: ['sources'], sums });
  const loss = lossOf(entries, sums, head.loss);
  if (request.want === 'sums') return settled(problem, loss, forward, []);
  invariant(head.seeds !== null, 'the sources’ leaf answers ∂h/∂S in a two-phase program');
  const seeds = { values: head.seeds, winners };
  const { added, rows } = await ask({ ...request, sums, seeds, rows: wanted });
  return settled(problem, loss, added, rows);
}

interface Collected {
  readonly added: Added;
  readonly rows: readonly RowData[];
}

/** The key of the sources' end states among `final`; no field has a blank in its name. */
const sourcesKey = 'all sources';

function settled(
  { program }: Problem,
  loss: number,
  { gradient, sourceStates }: Added,
  rows: readonly RowData[],
): Answer {
  const of = (kind: RowData['kind']): [string, Float64Array][] =>
    rows.filter((r) => r.kind === kind).map((r) => [r.field, Float64Array.from(r.data)]);
  const slots = gradient.length === 0 ? [] : program.layout.gradient;
  return {
    loss,
    gradient: new Map([
      ...slots.map((s): [string, Float64Array] => [
        s.field,
        gradient.slice(s.offset, s.offset + s.rows * s.width),
      ]),
      ...of('gradient'),
    ]),
    final: new Map([
      ...of('final'),
      ...(sourceStates === null ? [] : [[sourcesKey, sourceStates] as [string, Float64Array]]),
    ]),
  };
}

/** Fields of the tracers whose gradient is wanted. */
function tracerGradients({ system }: Problem): readonly string[] {
  const fields: readonly Field[] = [...(system.tracers?.evolving ?? []), ...(system.tracers?.constant ?? [])];
  return fields.map((f) => f.name).filter((name) => system.gradient.includes(name));
}

function inPrecision(
  arrays: Arrays,
  precision: Engine['precision'],
): Map<string, Float32Array | Float64Array> {
  return new Map([...arrays].map(([name, v]) => [name, precision === 'f32' ? Float32Array.from(v) : v]));
}
