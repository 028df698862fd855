/**
 * What the sources do on their own: their trajectory, the scalar parts of the loss, and the backward sweep that turns
 * a partial's Γ into the gradient of a leaf.
 */

import { type ThreadMap, tableBytes } from '../../../kernels/wasm/memory-map.ts';
import { constantGradient, sweepNames, termNames } from '../../../kernels/wasm/names.ts';
import { accumulatorLength, sourceBlocks } from '../../../kernels/wasm/shapes.ts';
import { recordBytes, visitMode } from '../../../kernels/wasm/sweep-plan.ts';
import type { LeafId, NonFinite, Partial } from '../engine.ts';
import { clearPartial } from './partials.ts';
import { bankAt, exported, type Station, setFields, takeSources, zeroBank, zeroBytes } from './station.ts';

/** Runs the sources forward, this thread's share of them or all; null: every state is finite. */
export function runSourcesForward(station: Station, together: boolean): NonFinite | null {
  const { plan, own, task } = station;
  if (plan.sources === null) return null;
  takeSources(station, together);
  exported(station, sweepNames('sources').forward)(own.sources, 0, task.steps, 0);
  // A forward sweep ends with a barrier: all threads see all states, and one of them looks.
  return together && task.thread > 0 ? null : sourcesBlowUp(station);
}

/** The first grid point and lowest row at which the sources are not finite; the last point is looked at first. */
function sourcesBlowUp(station: Station): NonFinite | null {
  const { task } = station;
  if (stateRow(station, task.steps) === -1) return null;
  for (let k = 0; k <= task.steps; k++) {
    const row = stateRow(station, k);
    if (row !== -1)
      return { kind: 'non-finite', leaf: 'sources', group: 'sources', what: 'state', row, step: k };
  }
  return null;
}

/** The lowest row that is not finite at a grid point, or −1. */
function stateRow(station: Station, point: number): number {
  const { plan, map, scalars, shift } = station;
  const { rows, stateComponents } = plan.shapes.sources;
  const start = (map.shared.table + point * plan.shapes.slots * tableBytes(plan)) >> shift;
  for (let n = 0; n < rows * stateComponents; n++) {
    if (!Number.isFinite(scalars[start + n] ?? 0)) return Math.floor(n / stateComponents);
  }
  return -1;
}

/** What the scalar parts leave in a partial besides Γ and gradients. */
interface ScalarParts {
  readonly loss: number;
  /** ∂h/∂S. */
  readonly seeds: Float64Array;
}

/** The leaf without tracers, on one thread. */
export function evaluateSourcesLeaf(station: Station, partial: number): Partial {
  const parts = evaluateScalars(station, partial);
  if ('kind' in parts) return parts;
  const gradient =
    station.task.want === 'gradient' ? sweepBackward(station, partial, 'sources') : new Float64Array(0);
  return gradient instanceof Float64Array ? sourcesAnswer(station, parts, gradient) : gradient;
}

/** Values and seeds of every term's scalar part, into a fresh partial. */
export function evaluateScalars(station: Station, partial: number): NonFinite | ScalarParts {
  const { plan, map, own, task, doubles } = station;
  clearPartial(station, partial, false);
  const lossAt = partial + map.partial.loss;
  // ∂h/∂S is collected where S of a shard would lie: this leaf has no sums of its own.
  const seedsAt = partial + map.partial.sums;
  if (plan.scalars !== null) {
    setFields(station, plan.scalars, own.scalars, {
      gamma: partial + map.partial.gamma,
      tail: partial + map.partial.tail,
      loss: lossAt,
      seeds: seedsAt,
    });
    const mode = task.backward ? visitMode.values + visitMode.seeds : visitMode.values;
    for (const [i, term] of plan.terms.entries()) {
      if (term.scalar === null) continue;
      const run = exported(station, termNames(i).scalar);
      const records = map.shared.scalarRecords[i] ?? 0;
      for (const [n, point] of (task.points[i] ?? []).entries()) {
        run(own.scalars, records + n * recordBytes(term), 0, 0, mode);
        if (!Number.isFinite(doubles[lossAt >> 3] ?? 0)) {
          return { kind: 'non-finite', leaf: 'sources', group: 'sources', what: 'loss', row: 0, step: point };
        }
      }
    }
  }
  const first = seedsAt >> 3;
  const seeds = Float64Array.from(doubles.subarray(first, first + task.reductions.length));
  for (const [i, term] of plan.terms.entries()) {
    // Linear terms enter the loss as they are.
    if (term.rows?.linear === true) for (const n of task.sumsOf[i] ?? []) seeds[n] = 1;
  }
  return { loss: doubles[lossAt >> 3] ?? 0, seeds };
}

export function sourcesAnswer(
  station: Station,
  { loss, seeds }: ScalarParts,
  gradient: Float64Array,
): Partial {
  const { task } = station;
  const sums = task.reductions.length;
  return {
    kind: 'partial',
    leaf: 'sources',
    sums: new Float64Array(sums),
    winners: new Float64Array(sums).fill(-1),
    loss,
    gradient,
    seeds: task.phases === 2 && task.want === 'sums' ? seeds : null,
    sourceStates: task.wantsFinal || task.trajectory.length > 0 ? statesOf(station) : null,
  };
}

/** One M × e block at the end time, then one at each point of the trajectory; running integrals left out. */
function statesOf({ plan, map, task, scalars, shift }: Station): Float64Array {
  const { rows, stateComponents, evolving } = plan.shapes.sources;
  const width = evolving.reduce((w, f) => w + f.width, 0);
  const points = [task.steps, ...task.trajectory];
  const out = new Float64Array(points.length * rows * width);
  for (const [n, point] of points.entries()) {
    const start = (map.shared.table + point * plan.shapes.slots * tableBytes(plan)) >> shift;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < width; c++) {
        out[(n * rows + r) * width + c] = scalars[start + r * stateComponents + c] ?? 0;
      }
    }
  }
  return out;
}

/** The backward sweep with the Γ of a partial on this thread alone: the gradient in the order of the program's layout. */
export function sweepBackward(station: Station, partial: number, leaf: LeafId): Float64Array | NonFinite {
  const at = takeSources(station, false);
  clearSweep(station, at);
  runSweep(station, partial);
  return finishSweep(station, at, partial, leaf);
}

/** Makes the area of a sweep ready: nothing has been added to anything. */
export function clearSweep(station: Station, at: ThreadMap): void {
  const { plan } = station;
  const { shapes } = plan;
  if (plan.sources === null) return;
  zeroBank(station, plan.sources, at.sourceWork, 'λ');
  zeroBank(station, plan.sources, at.sourceWork, constantGradient);
  zeroBytes(station, at.accumulators, sourceBlocks(shapes) * accumulatorLength(shapes) * 8);
  for (const [n, pair] of shapes.pairs.entries()) {
    zeroBytes(station, at.pairGradients[n] ?? 0, shapes.sources.rows ** 2 * pair.width * shapes.scalar);
  }
}

/** This thread's share of the sweep, as `takeSources` has said. */
export function runSweep(station: Station, partial: number): void {
  const { plan, own, map, task } = station;
  if (plan.sources === null) return;
  setFields(station, plan.sources, own.sources, { gamma: partial + map.partial.gamma });
  exported(station, sweepNames('sources').backward)(own.sources, 0, task.steps, 0);
}

/** What a sweep has left, as the gradient of a leaf. */
export function finishSweep(
  station: Station,
  at: ThreadMap,
  partial: number,
  leaf: LeafId,
): Float64Array | NonFinite {
  if (station.plan.sources !== null) collectTails(station, at, partial);
  const gradient = assemble(station, at, partial);
  const bad = gradient.findIndex((g) => !Number.isFinite(g));
  if (bad === -1) return gradient;
  const piece = station.task.gradient.find((p) => bad < p.offset + p.rows * p.width);
  const row = piece === undefined ? 0 : Math.floor((bad - piece.offset) / piece.width);
  return { kind: 'non-finite', leaf, group: 'sources', what: 'gradient', row, step: 0 };
}

/** Adds to the partial's tail what the blocks of sources have summed, and the gradient of their own constants. */
function collectTails(station: Station, own: ThreadMap, partial: number): void {
  const { plan, map, doubles, scalars, shift } = station;
  const { shapes } = plan;
  const length = accumulatorLength(shapes);
  const tail = (partial + map.partial.tail) >> 3;
  for (let b = 0; b < sourceBlocks(shapes); b++) {
    const from = (own.accumulators >> 3) + (b + 1) * length - shapes.tail.length;
    for (let n = 0; n < shapes.tail.length; n++)
      doubles[tail + n] = (doubles[tail + n] ?? 0) + (doubles[from + n] ?? 0);
  }
  const { rows, constantComponents, stride } = shapes.sources;
  if (constantComponents === 0 || plan.sources === null) return;
  const planes = bankAt(plan.sources, own.sourceWork, constantGradient);
  for (let c = 0; c < constantComponents; c++) {
    const plane = (planes + c * stride) >> shift;
    for (let r = 0; r < rows; r++) {
      const at = tail + shapes.tail.constants + r * constantComponents + c;
      doubles[at] = (doubles[at] ?? 0) + (scalars[plane + r] ?? 0);
    }
  }
}

function assemble(station: Station, own: ThreadMap, partial: number): Float64Array {
  const { plan, map, task, doubles, scalars, shift } = station;
  const { shapes } = plan;
  const gradient = new Float64Array(task.gradientLength);
  const tail = (partial + map.partial.tail) >> 3;
  const copyRows = (piece: (typeof task.gradient)[number], start: number): void => {
    for (let r = 0; r < piece.rows; r++) {
      for (let c = 0; c < piece.width; c++) {
        gradient[piece.offset + r * piece.width + c] =
          doubles[start + r * piece.columns + piece.from + c] ?? 0;
      }
    }
  };
  for (const piece of task.gradient) {
    switch (piece.kind) {
      case 'constant':
        copyRows(piece, tail + shapes.tail.constants);
        break;
      case 'params':
        copyRows(piece, tail + shapes.tail.params);
        break;
      case 'set':
        copyRows(piece, tail + piece.start);
        break;
      case 'pairs': {
        const start = (own.pairGradients[piece.from] ?? 0) >> shift;
        for (let n = 0; n < piece.rows * piece.width; n++) {
          gradient[piece.offset + n] = plan.sources === null ? 0 : (scalars[start + n] ?? 0);
        }
        break;
      }
      case 'state': {
        if (plan.sources === null) break;
        const { stride } = shapes.sources;
        const planes = bankAt(plan.sources, own.sourceWork, 'λ');
        for (let c = 0; c < piece.width; c++) {
          const plane = (planes + (piece.from + c) * stride) >> shift;
          for (let r = 0; r < piece.rows; r++)
            gradient[piece.offset + r * piece.width + c] = scalars[plane + r] ?? 0;
        }
        break;
      }
    }
  }
  return gradient;
}
