/**
 * How much memory a job needs on a machine, and how many steps are held at once: known before anything starts.
 *
 *   a thread   a tile: the states of a block at every slot of the steps held, at the beginnings of segments, its rows
 *              a partial for each level of the tree: Γ, (T·S + 1)·M·e numbers, and what does not move
 *   shared     the sources' trajectory twice (rows and planes), tables, the partials of shards that threads share
 *   resident   the rows of the shards
 */
import { SkewflowError } from '../errors.ts';
import { blockRows } from '../kernels/block.ts';
import type { Grid, Program, StepProgram } from '../kernels/sweep/program.ts';
import { planUnits, sharesSweeps } from './units.ts';

export interface MemoryShape {
  readonly program: Program;
  readonly grid: Grid;
  readonly precision: 'f32' | 'f64';
  /** Steps held at once, as `segmentStepsOf` says. */
  readonly segmentSteps: number;
  readonly threads: number;
  /** Rows of each shard on this machine at the same time. */
  readonly shardRows: readonly number[];
}

/** Bytes, by what they hold. */
export interface MemoryNeed {
  /** Rows of the tracers that are held at once. */
  readonly residentBytes: number;
  /** States of one thread's block: what `memory:` bounds. */
  readonly tileBytes: number;
  /** Everything of one thread: tile, work areas, partials. */
  readonly threadBytes: number;
  /** What all threads read: sources, sets, parameters, partials. */
  readonly sharedBytes: number;
  /** All of it. */
  readonly totalBytes: number;
}

/**
 * What an evaluation of the gradient (or of the loss, where no gradient is wanted) takes on the WASM engine.
 * Never less than is allocated, and within a fifth of it.
 */
export function memoryNeed(shape: MemoryShape): MemoryNeed {
  const { program, grid, precision, segmentSteps, shardRows } = shape;
  const steps = grid.times.length - 1;
  const sizes = sizesOf(program, precision);
  const blocks = shardRows.map((rows) => Math.ceil(rows / blockRows));
  const threads = Math.max(1, shape.threads);
  const units = planUnits(blocks, threads);
  const swept = program.sources?.step == null ? 0 : sizes.sources;
  const keepsPartials = sizes.backward && sharesSweeps(swept, threads, blocks.length + 1);
  // The leaf of the sources has a partial too.
  const partials = keepsPartials ? units.units.reduce((n, u) => n + u, 1) : units.shared;
  const tileBytes = tileOf(sizes, steps, segmentSteps);
  const partial = partialBytes(sizes, program, steps, grid.sums);
  const threadBytes =
    tileBytes +
    blockWorkBytes(program, grid, sizes) +
    sourceWorkBytes(program, sizes) +
    units.stack * partial +
    slackBytes;
  const sharedBytes = trajectoryBytes(sizes, steps) + tableBytes(program, grid, sizes) + partials * partial;
  const residentBytes = blocks.reduce((n, b) => n + b, 0) * sizes.imageComponents * sizes.plane;
  return {
    residentBytes,
    tileBytes,
    threadBytes,
    sharedBytes,
    totalBytes: residentBytes + sharedBytes + threads * threadBytes,
  };
}

/** @throws SkewflowError('MemoryError') with both figures when the need is above what is available */
export function refuseBeyondMemory(need: MemoryNeed, availableBytes: number): void {
  if (need.totalBytes <= availableBytes) return;
  throw new SkewflowError(
    'MemoryError',
    `the job needs ${need.totalBytes} bytes of memory and ${availableBytes} are available: use fewer threads, lower \`memory:\`, or run it on a larger machine`,
    { needed: need.totalBytes, available: availableBytes },
  );
}

/**
 * Steps whose states are held at once: all of them when they fit into `memoryBytes`, else as many as do, with every
 * segment run forward once more. A function of the job alone, though the bits would not change.
 *
 * @throws SkewflowError('MemoryError') when no number of steps fits
 */
export function segmentStepsOf(
  program: Program,
  steps: number,
  precision: 'f32' | 'f64',
  memoryBytes: number,
): number {
  const sizes = sizesOf(program, precision);
  if (steps === 0 || tileOf(sizes, steps, steps) <= memoryBytes) return Math.max(1, steps);
  // tile(s) = (s·S + ⌈T/s⌉ + 1) states falls to s ≈ √(T/S) and rises after: beyond it, the largest that fits is found by halving.
  let low = Math.max(1, Math.min(steps, Math.ceil(Math.sqrt(steps / program.slots))));
  if (tileOf(sizes, steps, low) > memoryBytes) {
    const needed = tileOf(sizes, steps, low);
    throw new SkewflowError(
      'MemoryError',
      `a block of tracers needs ${needed} bytes for its states and \`memory:\` allows ${memoryBytes}: allow more, or take fewer steps`,
      { needed, available: memoryBytes },
    );
  }
  let high = steps;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (tileOf(sizes, steps, middle) <= memoryBytes) low = middle;
    else high = middle;
  }
  return low;
}

// --- figures ----------------------------------------------------------------------------------------------

/** Contexts, and what rounding every part up to whole vectors costs. */
const slackBytes = 8192;

interface Sizes {
  readonly scalar: number;
  /** Bytes of one component of a block. */
  readonly plane: number;
  readonly slots: number;
  readonly tracerState: number;
  readonly tracerConstants: number;
  readonly imageComponents: number;
  /** M, e, and bytes of one component of all sources. */
  readonly sources: number;
  readonly sourceState: number;
  readonly sourceConstants: number;
  readonly sourcePlane: number;
  /** f64s of gradients that do not move. */
  readonly tail: number;
  readonly backward: boolean;
}

function sizesOf(program: Program, precision: 'f32' | 'f64'): Sizes {
  const { system } = program;
  const scalar = precision === 'f32' ? 4 : 8;
  const sources = system.sources?.rows ?? 0;
  const tracerState = program.tracers?.stateComponents ?? 0;
  const tracerConstants = program.tracers?.constantComponents ?? 0;
  const sourceConstants = program.sources?.constantComponents ?? 0;
  const withComponents = system.terms
    .flatMap((t) => t.with)
    .reduce((n, w) => n + (w.group === 'tracers' ? w.width * w.slices : 0), 0);
  const sets = [...system.sets.values()].reduce((n, s) => n + s.rows * widthOf(s.constant), 0);
  return {
    scalar,
    plane: blockRows * scalar,
    slots: program.slots,
    tracerState,
    tracerConstants,
    imageComponents: tracerState + tracerConstants + withComponents,
    sources,
    sourceState: program.sources?.stateComponents ?? 0,
    sourceConstants,
    sourcePlane: Math.ceil((sources * scalar) / 16) * 16,
    tail: sources * sourceConstants + sets + widthOf(system.params),
    backward: program.wants.any,
  };
}

/** States a block holds: slots of the steps of a segment, its end, and the beginnings of segments when there are several. */
function tileOf(sizes: Sizes, steps: number, segmentSteps: number): number {
  const held = Math.min(segmentSteps, steps);
  const segments = held === 0 ? 1 : Math.ceil(steps / held);
  const states = held * sizes.slots + 1 + (segments > 1 ? segments : 0);
  return states * sizes.tracerState * sizes.plane;
}

function partialBytes(sizes: Sizes, program: Program, steps: number, sums: number): number {
  const gamma =
    program.tracers === null && program.sources === null
      ? 0
      : (steps * sizes.slots + 1) * sizes.sources * sizes.sourceState;
  return 8 * ((sizes.backward ? gamma + sizes.tail : 0) + 2 * sums + 6);
}

/** The block's rows, the banks of its statements and terms, kept states, and vectors that kernels add to. */
function blockWorkBytes(program: Program, grid: Grid, sizes: Sizes): number {
  if (program.tracers === null) return 0;
  const { tracerState: d, tracerConstants: c } = sizes;
  const banks = bankCount(program.tracers.step, sizes.backward) * d;
  const terms = program.terms.reduce((n, t) => n + 2 * (t.rows?.by.length ?? 0), 0);
  const moments = new Set(program.terms.flatMap((t) => (t.rows === null ? [] : t.moments)));
  const kept = new Set(
    program.terms.flatMap((t, i) =>
      t.rows === null || t.moments.length === 0
        ? []
        : [...(grid.terms[i] ?? []).map((p) => p.point), ...t.moments.map((m) => grid.moments.get(m) ?? 0)],
    ),
  );
  const values = (program.values?.planes ?? []).reduce((n, p) => n + p.value.width, 0);
  const backward = sizes.backward ? (2 + moments.size) * d + 2 * c + kept.size * d : 0;
  const components = sizes.imageComponents + banks + terms + values + kept.size * d + backward;
  return components * sizes.plane + (sizes.backward ? scatterBytes(sizes) : 0);
}

/** Banks besides the stored states that the statements of a step name, λ left out. */
function bankCount(step: StepProgram | null, backward: boolean): number {
  if (step === null) return 0;
  const names = new Set<string>();
  for (const s of backward ? [...step.forward, ...step.backward] : step.forward) {
    switch (s.kind) {
      case 'combine':
        names.add(s.target.bank);
        break;
      case 'flow':
        names.add(s.slope);
        break;
      case 'flow-vjp':
        names.add(s.cotangent).add(s.result);
    }
  }
  return [...names].filter((n) => !/^(z'?|slot\d+|λ)$/.test(n)).length;
}

/** One vector a number that rows add to: states of the sources, and what does not move. */
const scatterBytes = (sizes: Sizes): number => 16 * (sizes.sources * sizes.sourceState + sizes.tail);

function sourceWorkBytes(program: Program, sizes: Sizes): number {
  const step = program.sources?.step ?? null;
  if (step === null) return 0;
  const { sourceState: e, sourceConstants: c, sourcePlane } = sizes;
  const banks = bankCount(step, sizes.backward) * e + (sizes.backward ? e + 2 * c : 0);
  if (!sizes.backward) return banks * sourcePlane;
  const blocks = Math.ceil(sizes.sources / blockRows);
  const sums = blocks * (sizes.sources * e + sizes.tail + 2) * 8;
  const pairs = sizes.sources ** 2 * widthOf(program.system.pairs) * sizes.scalar;
  return banks * sourcePlane + scatterBytes(sizes) + sums + pairs;
}

/** Rows of scalars and planes. */
function trajectoryBytes(sizes: Sizes, steps: number): number {
  const perState = sizes.sourceState * (sizes.sources * sizes.scalar + sizes.sourcePlane);
  return (steps * sizes.slots + 1) * perState;
}

function tableBytes(program: Program, grid: Grid, sizes: Sizes): number {
  const { system } = program;
  const withs = system.terms
    .flatMap((t) => t.with)
    .reduce((n, w) => n + (w.group === 'sources' ? w.width * (w.slices + 1) : 0), 0);
  const pairs = sizes.sources ** 2 * widthOf(system.pairs);
  const numbers = sizes.sources * withs + pairs + sizes.tail + sizes.sources * sizes.sourceConstants;
  const points = grid.terms.reduce((n, t, i) => {
    const components = Math.max(1, program.terms[i]?.rows?.by.length ?? 0);
    return n + t.length * 2 * (24 + 16 * components) + (grid.times.length + 1) * 4;
  }, 0);
  return numbers * sizes.scalar + points + grid.times.length * 12 + grid.sums * sizes.scalar + slackBytes;
}

const widthOf = (fields: readonly { readonly width: number }[]): number =>
  fields.reduce((w, f) => w + f.width, 0);
