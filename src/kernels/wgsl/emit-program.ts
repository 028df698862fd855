/** From a compiled job to the shaders that run it, with the shapes of what they share. */
import type { Program } from '../sweep/program.ts';
import { code, whole } from './code.ts';
import { workgroupThreads } from './crew.ts';
import { recordLength } from './records.ts';
import { entry, type Shader, shader } from './shader.ts';
import { type Shapes, shapesOf } from './shapes.ts';
import type { SourceSweep } from './source-shaders.ts';
import { sourcesBackward, sourcesForward } from './source-sweep.ts';
import { collectShader, termSeeds, termSums, valuesShader } from './term-rows.ts';
import { scalarSeeds, scalarValue } from './term-scalar.ts';
import { tracersBackward, tracersForward } from './tracer-sweep.ts';

/** Everything a job runs on a GPU. A shader that a job has no use for is null. */
export interface EmittedProgram {
  readonly shapes: Shapes;
  readonly sourcesForward: SourceSweep | null;
  readonly sourcesBackward: SourceSweep | null;
  readonly tracersForward: Shader | null;
  readonly tracersBackward: Shader | null;
  readonly terms: readonly EmittedTerm[];
  readonly values: Shader | null;
  readonly collect: Shader | null;
  readonly reduce: Shader;
}

export interface EmittedTerm {
  /** Words of one of its records. */
  readonly recordLength: number;
  readonly sums: Shader | null;
  readonly seeds: Shader | null;
  readonly scalarValue: Shader | null;
  readonly scalarSeeds: Shader | null;
}

/** A function of the program alone: equal programs, equal texts. `rowsForTwo`: for tests, which have few rows. */
export function emitProgram(program: Program, rowsForTwo?: number): EmittedProgram {
  const shapes = shapesOf(program, rowsForTwo);
  return {
    shapes,
    sourcesForward: sourcesForward(program, shapes),
    sourcesBackward: sourcesBackward(program, shapes),
    tracersForward: tracersForward(program, shapes),
    tracersBackward: tracersBackward(program, shapes),
    terms: program.terms.map((term) => ({
      recordLength: recordLength(term),
      sums: termSums(program, shapes, term),
      seeds: termSeeds(program, shapes, term),
      scalarValue: scalarValue(program, shapes, term),
      scalarSeeds: scalarSeeds(program, shapes, term),
    })),
    values: valuesShader(program, shapes),
    collect: program.tracers === null ? null : collectShader(shapes),
    reduce: reduceShader(),
  };
}

/** Every shader of a program, in the order a gradient needs them. */
export function shadersOf(emitted: EmittedProgram): readonly Shader[] {
  const sweep = (s: SourceSweep | null): readonly (Shader | null)[] =>
    s === null ? [] : [s.start, ...new Set(s.rounds.map((r) => r.shader))];
  return [
    ...sweep(emitted.sourcesForward),
    emitted.tracersForward,
    ...emitted.terms.flatMap((t) => [t.sums, t.seeds]),
    emitted.tracersBackward,
    emitted.values,
    emitted.collect,
    emitted.reduce,
    ...emitted.terms.flatMap((t) => [t.scalarValue, t.scalarSeeds]),
    ...sweep(emitted.sourcesBackward),
  ].filter((s) => s !== null);
}

/** Words of a run of partials in `plan`. */
export const runWords = 3;

/**
 * Partials of neighbours become one, in the order of the tree (`partition/tree.ts`): left and right of every pair, then
 * pairs of pairs. `records` name the first partial of a run, how many there are, and which of `totals` their sum is.
 */
export function reduceShader(): Shader {
  return shader(
    'reduce',
    'Sums of runs of partials, in the order of the tree.',
    [
      { buffer: 'plan', access: 'read' },
      { buffer: 'gamma', access: 'read_write' },
      { buffer: 'totals', access: 'read_write' },
    ],
    entry(code`
      let number = group % job.count * ${whole(workgroupThreads)} + lane;
      let run = job.records + group / job.count * ${whole(runWords)};
      if (group / job.count >= job.units || number >= job.partial) { return; }
      let first = plan[run];
      let partials = plan[run + 1u];
      for (var width = 1u; width < partials; width *= 2u) {
        for (var left = 0u; left + width < partials; left += 2u * width) {
          gamma[(first + left) * job.partial + number] += gamma[(first + left + width) * job.partial + number];
        }
      }
      totals[plan[run + 2u] * job.partial + number] = gamma[first * job.partial + number];
    `),
  );
}
