/**
 * What a shader is to its host: text, the buffers it is bound to, and the words that change from dispatch to dispatch.
 */
import { code, whole } from './code.ts';
import { workgroupThreads } from './crew.ts';
import { preludeOf } from './prelude.ts';
import { tileVectors } from './row-body.ts';

export type BufferName =
  | 'carry'
  | 'gamma'
  | 'given'
  | 'held'
  | 'image'
  | 'kept'
  | 'out'
  | 'path'
  | 'plan'
  | 'totals'
  | 'work';

export interface Binding {
  readonly buffer: BufferName;
  readonly access: 'read' | 'read_write';
}

/** One compute shader with one entry point, `main`. */
export interface Shader {
  /** Made from names of row functions: generated, never the user's. */
  readonly name: string;
  readonly text: string;
  readonly bindings: readonly Binding[];
  /** Of a workgroup. */
  readonly threads: number;
}

/**
 * Words of a dispatch, in order. The same for every shader; a shader reads those it needs.
 *
 *   first, end        steps of this dispatch
 *   held, holds       step whose states lie first in `held`; 1: steps have places of their own there, 0: all the same
 *   units, blocks     workgroups of rows, or leaves; blocks of the tile
 *   records, count    where records begin in `plan`, and how many
 *   kept_at, points   where the numbers of kept points begin in `plan`; how many are kept
 *   start             where the state comes from: 0 the image, 1 carry, n + 2 kept point n
 *   partial, tail     numbers of a partial; where its tail begins
 *   out_words, sums   words a workgroup leaves in `out`; entries of S
 *   grid, steps       where the steps begin in `given`; how many there are
 *   at_time           bits of the time at the end
 *   leaf              the leaf that a scalar part belongs to
 *   threads           of a workgroup: a bound of loops that no compiler unrolls
 *   params            components of all parameters
 *   stages            flows of a step: a bound like `threads`, so that a shader holds one loop over pairs
 *   stage             of the step, for a sweep that takes a dispatch for each
 *   params_at, values_at, seeds_at    where in `out` a scalar part leaves θ̄, values and ∂h/∂S
 */
export const jobWords = [
  'first',
  'end',
  'held',
  'holds',
  'units',
  'blocks',
  'records',
  'count',
  'kept_at',
  'points',
  'start',
  'partial',
  'tail',
  'out_words',
  'sums',
  'grid',
  'steps',
  'at_time',
  'leaf',
  'params_at',
  'values_at',
  'seeds_at',
  'stage',
  'threads',
  'params',
  'stages',
] as const;

export type JobWords = { readonly [W in (typeof jobWords)[number]]?: number };

const scalarOf = (buffer: BufferName): string => (buffer === 'plan' || buffer === 'out' ? 'u32' : 'f32');

const jobStruct = code`
  struct Job {
    ${jobWords.map((w) => `${w}: u32,`)}
  }
`;

/** Puts a shader together: declarations, the prelude it needs, its own functions, the entry point. */
export function shader(
  name: string,
  comment: string,
  bindings: readonly Binding[],
  body: string,
  threads = workgroupThreads,
): Shader {
  const prelude = preludeOf(body);
  const all = [...prelude, body].join('\n');
  const declared = bindings.map(
    (b, n) =>
      `@group(0) @binding(${n + 1}) var<storage, ${b.access}> ${b.buffer}: array<${scalarOf(b.buffer)}>;`,
  );
  const memory = [
    ['tile', `array<vec4f, ${tileVectors(threads)}>`],
    ['values_of', `array<f32, ${threads}>`],
    ['marks_of', `array<u32, ${threads}>`],
  ].flatMap(([variable, type]) =>
    new RegExp(`\\b${variable}\\[`).test(all) ? [`var<workgroup> ${variable}: ${type};`] : [],
  );
  const text = code`
    // ${comment}

    ${jobStruct}

    @group(0) @binding(0) var<uniform> job: Job;
    ${declared}
    ${memory}

    const workgroup_threads = ${whole(threads)};
    // The thread in its workgroup.
    var<private> lane: u32;

    ${prelude.join('\n\n')}

    ${body}
  `;
  return { name, text: `${text.replace(/\n{3,}/g, '\n\n')}\n`, bindings, threads };
}

/** The entry point: `group` is the workgroup's number, however many dimensions a dispatch takes, or what is said. */
export function entry(body: string, group = `workgroup.x + workgroup.y * ${whole(groupsPerRow)}`): string {
  return code`
    @compute @workgroup_size(workgroup_threads)
    fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
      lane = index;
      let group = ${group};
      ${body}
    }
  `;
}

/** Workgroups of a dispatch in its first dimension (maxComputeWorkgroupsPerDimension, WebGPU default limits). */
export const groupsPerRow = 65_535;
