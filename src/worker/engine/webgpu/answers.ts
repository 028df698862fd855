/**
 * What a leaf answers, from the words and numbers that were read back: sums in f64, the gradient in its layout's order.
 */
import { blockRows } from '../../../kernels/block.ts';
import type { GradientSlot, Grid, Program } from '../../../kernels/sweep/program.ts';
import { type Shapes, tailOffset } from '../../../kernels/wgsl/shapes.ts';
import type { SourceSweep } from '../../../kernels/wgsl/source-shaders.ts';
import { outParams, outSums } from '../../../kernels/wgsl/term-rows.ts';
import { workBanks } from '../../../kernels/wgsl/workspace.ts';
import type { ShardRange } from '../../../partition/plan.ts';
import { sumInTree } from '../../../partition/tree.ts';
import type { Evaluation, NonFinite, Partial } from '../engine.ts';
import { type By, enter, noSums, reductionsOf, type Sums } from '../reference/sums.ts';
import type { Loaded } from './loaded.ts';

/** What the sources' sweep and the sums over rows left for a leaf. */
export interface LeafParts {
  /** null: nothing was swept. */
  readonly work: { readonly sweep: SourceSweep; readonly numbers: Float32Array } | null;
  readonly tail: Float32Array;
}

/**
 * The first state of the sources that was not finite, from one more than its grid point a row; 0: never. A device that is out of its
 * mind leaves anything: what is said of it is a whole number.
 */
export function sourcesBlowUp(failed: Float32Array): Omit<NonFinite, 'leaf'> | null {
  let found: Omit<NonFinite, 'leaf'> | null = null;
  for (const [row, mark] of failed.entries()) {
    const step = Math.trunc(Math.min(mark, 2 ** 31)) - 1;
    if (mark > 0 && (found === null || step < found.step)) {
      found = { kind: 'non-finite', group: 'sources', what: 'state', row, step: Math.max(0, step) };
    }
  }
  return found;
}

/** A shard's answer. `words`: `outWords` for each of its workgroups. */
export function answerShard(
  { program, emitted }: Loaded,
  request: Evaluation,
  range: ShardRange,
  words: Uint32Array,
  outWords: number,
  parts: LeafParts,
): Partial {
  const { shapes } = emitted;
  const { grid } = request.inputs;
  const failure = firstFailure(shapes, range, words, outWords);
  if (failure !== null) return { ...failure, leaf: range.index };
  const by = reductionsOf(program, grid);
  const total = joined(shapes, by, words, outWords);
  const gradient =
    request.want === 'gradient' ? gradientOf(program, shapes, parts, total.params) : new Float64Array(0);
  const bad = gradientFailure(program, gradient);
  if (bad !== null) return { ...bad, leaf: range.index };
  return {
    kind: 'partial',
    leaf: range.index,
    sums: total.sums.values,
    winners: total.sums.winners,
    loss: 0,
    gradient,
    seeds: null,
    sourceStates: null,
  };
}

/** The lowest step, and in it the lowest row, that a workgroup marked. */
function firstFailure(
  shapes: Shapes,
  range: ShardRange,
  words: Uint32Array,
  outWords: number,
): Omit<NonFinite, 'leaf'> | null {
  const { lanes } = shapes.tracerCrew;
  let first: Omit<NonFinite, 'leaf'> | null = null;
  for (let at = 0; at < words.length; at += outWords) {
    const state = words[at] ?? 0;
    const loss = words[at + 1] ?? 0;
    const gradient = words[at + 2] ?? 0;
    if ((state | loss | gradient) === 0) continue;
    const what = state !== 0 ? 'state' : loss !== 0 ? 'loss' : 'gradient';
    const place = ~(state || loss || gradient) >>> 0;
    const step = Math.floor(place / blockRows);
    const block = Math.floor(at / outWords / lanes);
    const row = range.begin + block * blockRows + (place % blockRows);
    if (first === null || step < first.step || (step === first.step && row < first.row)) {
      first = { kind: 'non-finite', group: 'tracers', what, row, step };
    }
  }
  return first;
}

interface Joined {
  readonly sums: Sums;
  readonly params: Float64Array;
}

/** S and θ̄ of all workgroups of a shard: sums in the order of the tree, extremes in that of the rows. */
function joined(shapes: Shapes, by: readonly By[], words: Uint32Array, outWords: number): Joined {
  const units = words.length / outWords;
  const reals = new Float32Array(words.buffer, words.byteOffset, words.length);
  const column = new Float64Array(units);
  const sumOf = (offset: number): number => {
    for (let unit = 0; unit < units; unit++) column[unit] = reals[unit * outWords + offset] ?? 0;
    return sumInTree(column);
  };
  const sums = noSums(by);
  const sumsAt = outSums(shapes);
  for (const [n, reduction] of by.entries()) {
    if (reduction === 'sum') {
      sums.values[n] = sumOf(sumsAt + n);
      continue;
    }
    for (let at = sumsAt + n; at < words.length; at += outWords) {
      const row = words[at + by.length] ?? nobody;
      if (row !== nobody) enter(sums, by, n, reals[at] ?? 0, row);
    }
  }
  return {
    sums,
    params: Float64Array.from({ length: shapes.paramComponents }, (_, c) => sumOf(outParams + c)),
  };
}

/** A workgroup without a row that counts. */
const nobody = 0xffff_ffff;

/** Where the sources leaf's numbers lie among those read back. */
export interface ScalarPlaces {
  readonly words: number;
  readonly params: number;
  /** First value of each term. */
  readonly values: readonly number[];
  readonly seeds: number;
}

export function answerSources(
  { program, emitted }: Loaded,
  request: Evaluation,
  parts: LeafParts,
  scalars: Omit<ScalarPlaces, 'words'> & {
    readonly words: Uint32Array;
    readonly states: readonly Float32Array[];
  },
): Partial {
  const { shapes } = emitted;
  const { grid } = request.inputs;
  const reals = new Float32Array(scalars.words.buffer, scalars.words.byteOffset, scalars.words.length);
  const loss = scalarLoss(program, grid, reals, scalars.values);
  if (typeof loss !== 'number') return loss;
  const params = Float64Array.from(reals.subarray(scalars.params, scalars.params + shapes.paramComponents));
  const gradient =
    request.want === 'gradient' ? gradientOf(program, shapes, parts, params) : new Float64Array(0);
  const bad = gradientFailure(program, gradient);
  if (bad !== null) return { ...bad, leaf: 'sources' };
  return {
    kind: 'partial',
    leaf: 'sources',
    sums: new Float64Array(grid.sums),
    winners: new Float64Array(grid.sums).fill(-1),
    loss,
    gradient,
    seeds:
      program.phases === 2 && request.want === 'sums' ? seedsOf(program, grid, reals, scalars.seeds) : null,
    sourceStates: scalars.states.length === 0 ? null : statesOf(shapes, scalars.states),
  };
}

function scalarLoss(
  program: Program,
  grid: Grid,
  reals: Float32Array,
  places: readonly number[],
): NonFinite | number {
  let loss = 0;
  for (const [i, term] of program.terms.entries()) {
    if (term.scalar === null) continue;
    for (const [n, at] of (grid.terms[i] ?? []).entries()) {
      const value = reals[(places[i] ?? 0) + n] ?? 0;
      if (!Number.isFinite(value)) {
        return {
          kind: 'non-finite',
          leaf: 'sources',
          group: 'sources',
          what: 'loss',
          row: 0,
          step: at.point,
        };
      }
      loss += at.weight * value;
    }
  }
  return loss;
}

/** ∂h/∂S of non-linear terms, 1 for linear ones. */
function seedsOf(program: Program, grid: Grid, reals: Float32Array, at: number): Float64Array {
  const seeds = new Float64Array(grid.sums).fill(1);
  for (const [i, term] of program.terms.entries()) {
    if (term.rows === null || term.rows.linear) continue;
    for (const { sum } of grid.terms[i] ?? []) {
      for (let c = 0; c < term.rows.by.length; c++) seeds[sum + c] = reals[at + sum + c] ?? 0;
    }
  }
  return seeds;
}

/** Evolving fields (no integrals) of all sources, a block a grid point. */
function statesOf({ sources }: Shapes, states: readonly Float32Array[]): Float64Array {
  const width = sources.evolving.reduce((n, f) => n + f.width, 0);
  const out = new Float64Array(states.length * sources.rows * width);
  let at = 0;
  for (const s of states) {
    for (let r = 0; r < sources.rows; r++) {
      for (let c = 0; c < width; c++) out[at++] = s[r * sources.stateComponents + c] ?? 0;
    }
  }
  return out;
}

// --- the gradient -----------------------------------------------------------------------------------------

function gradientOf(
  program: Program,
  shapes: Shapes,
  { work, tail }: LeafParts,
  params: Float64Array,
): Float64Array {
  const out = new Float64Array(program.layout.gradientLength);
  const { sources } = shapes;
  const numbers = work?.numbers ?? new Float32Array(0);
  const bank = (name: string): number | null => work?.sweep.work.banks.get(name) ?? null;
  /** A slot from columns that are `apart`, with rows a `stride` apart. */
  const put = (slot: GradientSlot, from: Float32Array, at: number, stride: number, apart: number): void => {
    let to = slot.offset;
    for (let r = 0; r < slot.rows; r++) {
      for (let c = 0; c < slot.width; c++) out[to++] = from[at + r * stride + c * apart] ?? 0;
    }
  };
  const layout = program.layout.of('sources');
  for (const slot of program.layout.gradient) {
    switch (slot.kind) {
      case 'pairs': {
        const at = bank(workBanks.pairs(slot.field));
        if (at !== null) put(slot, numbers, at, slot.width, 1);
        break;
      }
      case 'params': {
        const start = layout.param(slot.field);
        const at = bank(workBanks.params);
        for (let c = 0; c < slot.width; c++) {
          let sum = params[start + c] ?? 0;
          for (let r = 0; at !== null && r < sources.rows; r++)
            sum += numbers[at + (start + c) * sources.rows + r] ?? 0;
          out[slot.offset + c] = sum;
        }
        break;
      }
      case 'sets': {
        const { table, column, columns } = layout.row(slot.set, slot.field, 'now');
        put(slot, tail, tailOffset(shapes, table) + column, columns, 1);
        break;
      }
      case 'sources': {
        const { table, column, columns } = layout.row('sources', slot.field, 'now');
        const own = bank(table === 'sources.state' ? 'λ' : workBanks.constants);
        const ownAt = (own ?? 0) + column * sources.rows;
        if (table === 'sources.state') {
          if (own !== null) put(slot, numbers, ownAt, 1, sources.rows);
          break;
        }
        put(slot, tail, tailOffset(shapes, table) + column, columns, 1);
        for (let n = 0; own !== null && n < slot.rows * slot.width; n++) {
          const [r, c] = [Math.floor(n / slot.width), n % slot.width];
          out[slot.offset + n] = (out[slot.offset + n] ?? 0) + (numbers[ownAt + c * sources.rows + r] ?? 0);
        }
        break;
      }
    }
  }
  return out;
}

function gradientFailure(program: Program, gradient: Float64Array): Omit<NonFinite, 'leaf'> | null {
  let bad = 0;
  while (Number.isFinite(gradient[bad])) bad += 1;
  if (bad === gradient.length) return null;
  const slot = program.layout.gradient.find((s) => bad < s.offset + s.rows * s.width);
  const row = slot === undefined ? 0 : Math.floor((bad - slot.offset) / slot.width);
  return { kind: 'non-finite', group: 'sources', what: 'gradient', row, step: 0 };
}
