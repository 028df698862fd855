/**
 * How a sweep of the sources becomes shaders: rounds of functions between which all sources wait for one another.
 *
 * One workgroup runs all rounds of all steps when it has a thread for every source; otherwise each is a dispatch.
 */
import { code, whole } from './code.ts';
import { entry, type Shader, shader } from './shader.ts';
import { type Shapes, stepNumbers } from './shapes.ts';
import type { WorkShape } from './workspace.ts';

/** A sweep of the sources as its host sees it. */
export interface SourceSweep {
  /** Runs all steps of a dispatch when there are no rounds, else what comes before the first step. */
  readonly start: Shader;
  /** Shaders of one step, in order; `stage` is a word of their dispatch. */
  readonly rounds: readonly { readonly shader: Shader; readonly stage: number }[];
  readonly work: WorkShape;
}

/** What a sweep is made of. Functions are given (leaf, part, stage, k); those of a stage run one after another. */
export interface SweepText {
  readonly name: string;
  readonly comment: string;
  readonly direction: 'backward' | 'forward';
  readonly bindings: Shader['bindings'];
  /** Flows of a step. */
  readonly stages: number;
  /** Declarations and functions that the others use. */
  readonly common: string;
  /** The body of `start(leaf, part)`. */
  readonly start: string;
  /** Bodies of a stage's functions, in order; the first runs once more after the last stage. */
  readonly functions: readonly SweepFunction[];
}

export interface SweepFunction {
  readonly name: string;
  readonly body: string;
  /** Whether other threads read what it leaves: all wait for one another then. */
  readonly shared: boolean;
}

/** Workgroups of one sweep. */
export const sourceGroups = (shapes: Shapes): number =>
  Math.ceil(shapes.sources.rows / shapes.sourceCrew.rows);

export function sweepShaders(shapes: Shapes, text: SweepText, work: WorkShape): SourceSweep {
  const groups = whole(sourceGroups(shapes));
  const place = sourcePlace(shapes, work);
  const begin = code`
    let leaf = group / ${groups};
    let part = group % ${groups};
    if (leaf >= job.units) { return; }
    place(leaf, part);
  `;
  const make = (suffix: string, note: string, body: string): Shader =>
    shader(
      `${text.name}${suffix}`,
      `${text.comment}${note}`,
      text.bindings,
      code`
        ${place}

        ${text.common}

        ${body}
      `,
      shapes.sourceCrew.threads,
    );
  const start = code`
    fn start(leaf: u32, part: u32) {
      ${text.start}
    }
  `;
  const functions = text.functions.map(
    (f) => code`
      fn ${f.name}(leaf: u32, part: u32, stage: u32, k: u32) {
        let step_at = job.grid + k * ${whole(stepNumbers(shapes))};
        let h = given[step_at];
        ${f.body}
      }
    `,
  );
  const [first] = text.functions;
  const calls = ({ name, shared }: SweepFunction, stage: string): readonly string[] => [
    `${name}(leaf, part, ${stage}, k);`,
    ...(shared ? ['storageBarrier();'] : []),
  ];
  const forward = text.direction === 'forward';
  if (shapes.sourcesTogether) {
    const step = code`
      for (var stage = 0u; stage < job.stages; stage++) {
        ${text.functions.flatMap((f) => calls(f, 'stage'))}
      }
      ${first === undefined ? [] : calls(first, whole(text.stages))}
    `;
    const loop = forward
      ? code`
          for (var k = job.first; k < job.end; k++) {
            ${step}
          }
        `
      : code`
          for (var left = job.end; left > job.first; left--) {
            let k = left - 1u;
            ${step}
          }
        `;
    const whole_sweep = code`
      ${heldFunctions(work)}

      ${start}

      ${functions.join('\n\n')}

      ${entry(code`
        ${begin}
        if (${forward ? 'job.first == 0u' : 'job.end == job.steps'}) { start(leaf, part); }${work.held.length === 0 ? '' : ' else { recall(); }'}
        storageBarrier();
        ${first === undefined ? '' : loop}
        ${work.held.length === 0 ? '' : 'if (present) { keep(); }'}
      `)}
    `;
    return { start: make('', ': one workgroup, all steps of a dispatch.', whole_sweep), rounds: [], work };
  }
  const shaders = text.functions.map((f, n) =>
    make(
      `.${f.name}`,
      `: ${f.name} of a stage.`,
      code`
      ${functions[n] ?? ''}

      ${entry(code`
        ${begin}
        ${f.name}(leaf, part, job.stage, job.first);
      `)}
    `,
    ),
  );
  const rounds = Array.from({ length: text.stages }, (_, stage) =>
    shaders.map((s) => ({ shader: s, stage })),
  );
  const [last] = shaders;
  return {
    start: make(
      '.start',
      ': before the first step.',
      code`
      ${start}

      ${entry(code`
        ${begin}
        start(leaf, part);
      `)}
    `,
    ),
    rounds: [...rounds.flat(), ...(last === undefined ? [] : [{ shader: last, stage: text.stages }])],
    work,
  };
}

/** What a row's thread holds in registers goes to memory at the end of a dispatch, and comes from there in the next. */
function heldFunctions({ held }: WorkShape): string {
  if (held.length === 0) return '';
  const place = (at: number): string => `work[work_at + ${whole(at)} + row]`;
  return code`
    fn recall() {
      ${held.map((at, n) => `held_${n} = ${place(at)};`)}
    }

    fn keep() {
      ${held.map((at, n) => `${place(at)} = held_${n};`)}
    }
  `;
}

/** Which source a thread has. */
function sourcePlace({ sources, sourceCrew }: Shapes, work: WorkShape): string {
  return code`
    ${work.held.map((_, n) => `var<private> held_${n}: f32;`)}
    var<private> row: u32;
    // Whether there is such a row, and whether this thread writes what it leaves.
    var<private> row_present: bool;
    var<private> present: bool;
    // Which of the threads of this row this one is.
    var<private> split: u32;
    var<private> work_at: u32;

    fn place(leaf: u32, part: u32) {
      let at = part * ${whole(sourceCrew.rows)} + lane % ${whole(sourceCrew.rows)};
      row = min(at, ${whole(sources.rows - 1)});
      split = lane / ${whole(sourceCrew.rows)};
      row_present = at < ${whole(sources.rows)};
      present = row_present && split == 0u;
      work_at = leaf * ${whole(work.length)};
    }
  `;
}

/** A function of the stage: `fn name(stage: u32) -> type`. */
export function stageFunction(name: string, type: string, values: readonly string[]): string {
  const [only = '0'] = values;
  const body = values.every((v) => v === only)
    ? `return ${only};`
    : code`
        switch (stage) {
          ${values.map((v, n) => `${n + 1 === values.length ? 'default' : `case ${whole(n)}`}: { return ${v}; }`)}
        }
      `;
  return code`
    fn ${name}(stage: u32) -> ${type} {
      ${body}
    }
  `;
}
