/** A program on a device: its pipelines, and what one evaluation of it visits. */
import { invariant } from '../../../errors.ts';
import type { Expr } from '../../../kernels/ir/expr.ts';
import { print } from '../../../kernels/ir/print.ts';
import type { RowFunction } from '../../../kernels/ir/row-function.ts';
import { boundVisits } from '../../../kernels/sweep/cost.ts';
import type { Program } from '../../../kernels/sweep/program.ts';
import { type EmittedProgram, emitProgram, shadersOf } from '../../../kernels/wgsl/emit-program.ts';
import type { Shader } from '../../../kernels/wgsl/shader.ts';
import { rowsOf } from '../../../kernels/wgsl/shapes.ts';
import type { Counters, Evaluation } from '../engine.ts';
import { type BuiltIns, compile, type Pipeline } from './gpu.ts';

export interface Loaded {
  readonly program: Program;
  readonly emitted: EmittedProgram;
  readonly pipeline: (shader: Shader) => Pipeline;
  /** Bound rows that one row of a row function visits. */
  readonly visits: Readonly<Record<'sourcesFlow' | 'sourcesVjp' | 'tracersFlow' | 'tracersVjp', number>>;
  /** Counts what an evaluation visits. */
  readonly count: (request: Evaluation, rowsOf: (shard: number) => number) => void;
  readonly counters: () => Counters;
}

/** Compiles all shaders of a program, side by side. @throws SkewflowError('DeviceError') when one does not compile */
export async function load(
  device: GPUDevice,
  program: Program,
  builtIns: BuiltIns,
  rowsForTwo?: number,
): Promise<Loaded> {
  const emitted = emitProgram(program, rowsForTwo);
  const pipelines = new Map<Shader, Pipeline>();
  await Promise.all(
    shadersOf(emitted).map(async (s) => {
      pipelines.set(s, await compile(device, s, formulaOf(program, s), builtIns));
    }),
  );
  const { shapes } = emitted;
  /** Counted once: to walk a function's formulas takes longer than all else that is counted. */
  const counted = new Map<RowFunction, number>();
  const perRow = (fn: RowFunction | null | undefined): number => {
    if (fn === null || fn === undefined) return 0;
    const known = counted.get(fn) ?? boundVisits(fn, (over) => rowsOf(shapes, over));
    counted.set(fn, known);
    return known;
  };
  const rows = new Map<string, number>();
  const pairs = new Map<string, number>();
  const add = (fn: RowFunction | null | undefined, count: number): void => {
    if (fn === null || fn === undefined || count === 0) return;
    rows.set(fn.name, (rows.get(fn.name) ?? 0) + count);
    pairs.set(fn.name, (pairs.get(fn.name) ?? 0) + count * perRow(fn));
  };
  return {
    program,
    emitted,
    pipeline: (shader) => {
      const found = pipelines.get(shader);
      invariant(found !== undefined, 'every shader of a program is compiled when it is loaded');
      return found;
    },
    visits: {
      sourcesFlow: 1 + perRow(program.sources?.flow),
      sourcesVjp: 1 + 2 * perRow(program.sources?.flowVjp),
      tracersFlow: 1 + perRow(program.tracers?.flow),
      tracersVjp: 1 + 2 * perRow(program.tracers?.flowVjp),
    },
    count: (request, shardRows) => countVisits(program, request, shardRows, add),
    counters: () => ({ pairs: new Map(pairs), rows: new Map(rows) }),
  };
}

/** Longest formula in a message; what is wrong is at its line, not at its end. */
const formulaLength = 2000;

/** What a shader computes: the term's text as the job has it, or the group's flow, or the values, as they are printed. */
export function formulaOf({ system, terms }: Program, { name }: Pick<Shader, 'name'>): string {
  const term = /^loss(\d+)\./.exec(name)?.[1];
  if (term !== undefined) {
    const index = terms[Number(term)]?.term;
    return (index === undefined ? undefined : system.terms[index]?.text) ?? name;
  }
  const printed = (formulas: ReadonlyMap<string, Expr>): string =>
    [...formulas].map(([field, value]) => `${field}: ${print(value)}`).join('; ');
  const [group] = name.split('.', 1);
  const evolving = group === 'sources' ? system.sources?.evolving : system.tracers?.evolving;
  const flows = [...system.flow].filter(([field]) => evolving?.some((f) => f.name === field));
  const text = group === 'values' ? printed(system.values) : printed(new Map(flows));
  return text === '' ? name : text.slice(0, formulaLength);
}

function countVisits(
  program: Program,
  { inputs, leaves, want }: Evaluation,
  rowsOfShard: (shard: number) => number,
  add: (fn: RowFunction | null | undefined, count: number) => void,
): void {
  const { grid } = inputs;
  const steps = grid.times.length - 1;
  const sources = program.system.sources?.rows ?? 0;
  const flows = (group: Program['sources'], kind: 'flow' | 'flow-vjp'): number => {
    const statements = kind === 'flow' ? group?.step?.forward : group?.step?.backward;
    return (statements ?? []).filter((s) => s.kind === kind).length * steps;
  };
  add(program.sources?.flow, sources * flows(program.sources, 'flow'));
  for (const leaf of leaves) {
    const gradient = want === 'gradient';
    const seeds = program.wants.any && (gradient || (leaf === 'sources' && program.phases === 2));
    if (gradient) add(program.sources?.flowVjp, sources * flows(program.sources, 'flow-vjp'));
    if (leaf !== 'sources') {
      add(program.tracers?.flow, rowsOfShard(leaf) * flows(program.tracers, 'flow'));
      if (gradient) add(program.tracers?.flowVjp, rowsOfShard(leaf) * flows(program.tracers, 'flow-vjp'));
    }
    for (const [i, term] of program.terms.entries()) {
      const points = grid.terms[i]?.length ?? 0;
      if (leaf === 'sources') {
        add(term.scalar?.value, points);
        if (seeds) add(term.scalar?.vjp, points);
      } else {
        add(term.rows?.value, rowsOfShard(leaf) * points);
        if (seeds) add(term.rows?.vjp, rowsOfShard(leaf) * points);
      }
    }
  }
}
