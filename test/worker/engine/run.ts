/**
 * One evaluation of a problem on an engine, asked for as a coordinator asks: shards, the tree, one phase or two.
 */

import { compileProgram } from '../../../src/kernels/sweep/compile.ts';
import { placeGrid } from '../../../src/kernels/sweep/grid.ts';
import type { Grid, Program } from '../../../src/kernels/sweep/program.ts';
import type { ShardRange } from '../../../src/partition/plan.ts';
import { growTree } from '../../../src/partition/tree.ts';
import type {
  Engine,
  Evaluation,
  LeafId,
  NonFinite,
  Partial,
  Precision,
  Reals,
  RowData,
  RowOutputs,
  Session,
} from '../../../src/worker/engine/engine.ts';
import { addSums, type By, reductionsOf } from '../../../src/worker/engine/reference/sums.ts';
import type { Problem } from '../../kernels/systems.ts';

export interface Options {
  readonly shards?: number;
  readonly segmentSteps?: number;
  readonly threads?: number;
  readonly rows?: Some<RowOutputs>;
  /** Accepted times instead of equal steps. */
  readonly times?: Float64Array;
  /** Forward only. */
  readonly forwardOnly?: boolean;
}
type Some<T> = { readonly [K in keyof T]?: T[K] };

export interface Outcome {
  readonly loss: number;
  /** By field: sources, sets, pairs and params as returned by the leaves, tracers assembled from shards. */
  readonly gradient: ReadonlyMap<string, Float64Array>;
  /** `final x`, `trajectory x`, `values density`: rows of all shards (a trajectory by shard, one after another). */
  readonly rows: ReadonlyMap<string, Float64Array>;
  readonly sourceStates: Float64Array | null;
  readonly sums: Float64Array;
  readonly winners: Float64Array;
}

/** Thrown when a leaf answers that something is not finite. */
export class BlownUp extends Error {
  readonly where: NonFinite;
  constructor(where: NonFinite) {
    super(`${where.what} of ${where.group} row ${where.row} at step ${where.step}`);
    this.where = where;
  }
}

/** A problem loaded on an engine; evaluate it as often as wanted, with other numbers where some are given. */
export interface Loaded extends AsyncDisposable {
  readonly program: Program;
  readonly grid: Grid;
  readonly evaluate: (options?: Pick<Options, 'forwardOnly' | 'rows'>, other?: Numbers) => Promise<Outcome>;
  readonly session: Session;
}

/** Values that take the place of a problem's own, by field. */
export type Numbers = ReadonlyMap<string, Float64Array>;

export async function load(engine: Engine, problem: Problem, options: Options = {}): Promise<Loaded> {
  const program = compileProgram(problem.system);
  const grid = placeGrid(problem.system, program.terms, options.times ?? problem.steps);
  const session = await engine.load(program, {
    precision: engine.precision,
    segmentSteps: options.segmentSteps ?? 1 << 30,
    threads: options.threads ?? 1,
  });
  const shards = shardsOf(problem.system.tracers?.rows ?? 0, options.shards ?? 1);
  const leaves: readonly LeafId[] = [...shards.map((s) => s.index), 'sources'];
  const bind = async (tracers: Numbers): Promise<void> => {
    for (const shard of shards) {
      await session.bind(shard, rowsOf({ ...problem, tracers }, shard, engine.precision));
    }
  };
  await bind(problem.tracers);
  return {
    program,
    grid,
    session,
    evaluate: async (asked = {}, other = new Map()) => {
      const replaced = (all: Numbers): Numbers =>
        new Map([...all].map(([name, v]) => [name, other.get(name) ?? v]));
      const rebinds = [...other.keys()].some((name) => problem.tracers.has(name));
      if (rebinds) await bind(replaced(problem.tracers));
      const request: Evaluation = {
        inputs: { grid, fields: replaced(problem.fields) },
        leaves,
        want: 'sums',
        seeds: null,
        sums: null,
        rows: { ...noRows, gradient: tracerGradients(problem), ...options.rows, ...asked.rows },
      };
      const outcome = await ask(session, program, request, asked.forwardOnly ?? options.forwardOnly ?? false);
      if (rebinds) await bind(problem.tracers);
      return outcome;
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** Loads, evaluates once and lets go. */
export async function evaluateOn(engine: Engine, problem: Problem, options: Options = {}): Promise<Outcome> {
  const loaded = await load(engine, problem, options);
  try {
    return await loaded.evaluate();
  } finally {
    await loaded[Symbol.asyncDispose]();
  }
}

/** Fields of the tracers whose gradient the problem asks for. */
function tracerGradients({ system }: Problem): readonly string[] {
  const fields = [...(system.tracers?.evolving ?? []), ...(system.tracers?.constant ?? [])];
  return fields.map((f) => f.name).filter((name) => system.gradient.includes(name));
}

const noRows: RowOutputs = { gradient: [], final: false, trajectory: [], values: false };

async function ask(
  session: Session,
  program: Program,
  request: Evaluation,
  forwardOnly: boolean,
): Promise<Outcome> {
  const by = reductionsOf(program, request.inputs.grid);
  const want = program.wants.any && !forwardOnly ? 'gradient' : 'sums';
  if (program.phases === 1)
    return outcome(program, request.inputs.grid, await collect(session, by, { ...request, want }), null);

  const shards = request.leaves.filter((l) => l !== 'sources');
  const forward = await collect(session, by, {
    ...request,
    leaves: shards,
    rows: want === 'sums' ? request.rows : noRows,
  });
  const atSources = await collect(session, by, {
    ...request,
    leaves: ['sources'],
    sums: forward.added.sums,
    rows: want === 'sums' ? request.rows : noRows,
  });
  if (want === 'sums') {
    const merged = {
      ...forward,
      added: { ...forward.added, loss: atSources.added.loss, sourceStates: atSources.added.sourceStates },
    };
    return outcome(program, request.inputs.grid, merged, null);
  }
  const { seeds } = atSources.added;
  if (seeds === null) throw new Error('the sources leaf answers the seeds of a two-phase program');
  const backward = await collect(session, by, {
    ...request,
    want,
    sums: forward.added.sums,
    seeds: { values: seeds, winners: forward.added.winners },
  });
  return outcome(program, request.inputs.grid, backward, atSources.added.loss);
}

type Answer = Extract<Partial, { kind: 'partial' }>;

async function collect(
  session: Session,
  by: readonly By[],
  request: Evaluation,
): Promise<{ readonly added: Answer; readonly rows: readonly RowData[] }> {
  const rows: RowData[] = [];
  const answers = new Map<LeafId, Partial>();
  await session.evaluate(request, {
    partial: (p) => {
      if (answers.has(p.leaf)) throw new Error(`leaf ${p.leaf} answered twice`);
      answers.set(p.leaf, p);
    },
    rows: (r) => rows.push(r),
  });
  const tree = growTree<Answer>(request.leaves.length, (left, right) => add(by, left, right));
  for (const [n, leaf] of request.leaves.entries()) {
    const answer = answers.get(leaf);
    if (answer === undefined) throw new Error(`leaf ${leaf} did not answer`);
    if (answer.kind === 'non-finite') throw new BlownUp(answer);
    tree.put(answer, n);
  }
  return { added: tree.root()!, rows };
}

function add(by: readonly By[], left: Answer, right: Answer): Answer {
  const sums = addSums(
    by,
    { values: left.sums, winners: left.winners },
    { values: right.sums, winners: right.winners },
  );
  return {
    ...left,
    sums: sums.values,
    winners: sums.winners,
    loss: left.loss + right.loss,
    gradient: left.gradient.map((v, n) => v + right.gradient[n]!),
    seeds: left.seeds ?? right.seeds,
    sourceStates: left.sourceStates ?? right.sourceStates,
  };
}

function outcome(
  program: Program,
  grid: Grid,
  { added, rows }: { readonly added: Answer; readonly rows: readonly RowData[] },
  knownLoss: number | null,
): Outcome {
  const outputs = new Map<string, Float64Array>();
  for (const r of [...rows].sort((a, b) => a.shard.index - b.shard.index)) {
    const key = `${r.kind} ${r.field}`;
    outputs.set(key, Float64Array.from([...(outputs.get(key) ?? []), ...r.data]));
  }
  const gradient = new Map<string, Float64Array>();
  for (const s of program.layout.gradient) {
    gradient.set(s.field, added.gradient.slice(s.offset, s.offset + s.rows * s.width));
  }
  for (const [key, data] of outputs) {
    if (key.startsWith('gradient ')) gradient.set(key.slice('gradient '.length), data);
  }
  return {
    loss: linearEntries(program, grid, added.sums) + (knownLoss ?? added.loss),
    gradient,
    rows: outputs,
    sourceStates: added.sourceStates,
    sums: added.sums,
    winners: added.winners,
  };
}

/** Entries of linear terms are losses already. */
function linearEntries(program: Program, grid: Grid, sums: Float64Array): number {
  const places = program.terms.flatMap((t, n) =>
    t.rows?.linear === true ? [grid.terms[n]?.[0]?.sum ?? -1] : [],
  );
  return places.reduce((loss, n) => loss + (sums[n] ?? 0), 0);
}

/** Rows [begin, end) in `count` parts, as equal as whole rows can be. */
export function shardsOf(rows: number, count: number): readonly ShardRange[] {
  if (rows === 0) return [];
  return Array.from({ length: count }, (_, index) => ({
    index,
    begin: Math.floor((index * rows) / count),
    end: Math.floor(((index + 1) * rows) / count),
  })).filter((s) => s.end > s.begin);
}

function rowsOf({ system, tracers }: Problem, shard: ShardRange, precision: Precision): Map<string, Reals> {
  const rows = system.tracers?.rows ?? 0;
  const slices = new Map(system.terms.flatMap((t) => t.with.map((w) => [w.name, w.slices] as const)));
  return new Map(
    [...tracers].map(([name, all]) => {
      const count = slices.get(name) ?? 1;
      const width = all.length / rows / count;
      const parts = Array.from({ length: count }, (_, s) => [
        ...all.subarray((s * rows + shard.begin) * width, (s * rows + shard.end) * width),
      ]).flat();
      return [name, precision === 'f32' ? Float32Array.from(parts) : Float64Array.from(parts)];
    }),
  );
}
