/**
 * What the sources do on their own: their trajectory, the scalar parts of the loss, and the backward sweep that turns
 * a partial's Γ into the gradient of a leaf.
 */
import { termNames } from '../../../kernels/wasm/emit-program.ts';
import { constantGradient, sweepNames } from '../../../kernels/wasm/group-sweep.ts';
import { tableBytes } from '../../../kernels/wasm/memory-map.ts';
import { accumulatorLength, sourceBlocks } from '../../../kernels/wasm/source-functions.ts';
import { recordBytes, visitMode } from '../../../kernels/wasm/sweep-plan.ts';
import type { LeafId, NonFinite, Partial } from '../engine.ts';
import { clearPartial } from './partials.ts';
import { bankAt, exported, type Station, setFields, zeroBank, zeroBytes } from './station.ts';

/** Runs the sources forward; null: every state is finite. */
export function runSourcesForward(station: Station): NonFinite | null {
  const { plan, own, task } = station;
  if (plan.sources === null) return null;
  exported(station, sweepNames('sources').forward)(own.sources, 0, task.steps, 0);
  return sourcesBlowUp(station);
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

/** The leaf without tracers. */
export function evaluateSourcesLeaf(station: Station, partial: number): Partial {
  const { plan, map, own, task, doubles } = station;
  clearPartial(station, partial, false);
  const lossAt = partial + map.partial.loss;
  // ∂h/∂S is collected where S of a shard would lie: this leaf has no sums of its own.
  const seedsAt = partial + map.partial.sums;
  const sums = task.reductions.length;
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
  const loss = doubles[lossAt >> 3] ?? 0;
  const seeds = Float64Array.from(doubles.subarray(seedsAt >> 3, (seedsAt >> 3) + sums));
  for (const [i, term] of plan.terms.entries()) {
    // Linear terms enter the loss as they are.
    if (term.rows?.linear === true) for (const n of task.sumsOf[i] ?? []) seeds[n] = 1;
  }
  const gradient =
    task.want === 'gradient' ? sweepBackward(station, partial, 'sources') : new Float64Array(0);
  if (!(gradient instanceof Float64Array)) return gradient;
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

/** The sources' backward sweep with the Γ of a partial; the gradient in the order of the program's layout. */
export function sweepBackward(station: Station, partial: number, leaf: LeafId): Float64Array | NonFinite {
  const { plan, own, map, task } = station;
  const { shapes } = plan;
  const group = plan.sources;
  if (group !== null) {
    const blocks = sourceBlocks(shapes);
    const length = accumulatorLength(shapes);
    setFields(station, group, own.sources, { gamma: partial + map.partial.gamma });
    zeroBank(station, group, own.sourceWork, 'λ');
    zeroBank(station, group, own.sourceWork, constantGradient);
    zeroBytes(station, own.accumulators, blocks * length * 8);
    for (const [n, pair] of shapes.pairs.entries()) {
      zeroBytes(station, own.pairGradients[n] ?? 0, shapes.sources.rows ** 2 * pair.width * shapes.scalar);
    }
    exported(station, sweepNames('sources').backward)(own.sources, 0, task.steps, 0);
    collectTails(station, partial, blocks, length);
  }
  const gradient = assemble(station, partial);
  const bad = gradient.findIndex((g) => !Number.isFinite(g));
  if (bad === -1) return gradient;
  const piece = task.gradient.find((p) => bad < p.offset + p.rows * p.width);
  const row = piece === undefined ? 0 : Math.floor((bad - piece.offset) / piece.width);
  return { kind: 'non-finite', leaf, group: 'sources', what: 'gradient', row, step: 0 };
}

/** Adds to the partial's tail what the blocks of sources have summed, and the gradient of their own constants. */
function collectTails(station: Station, partial: number, blocks: number, length: number): void {
  const { plan, own, map, doubles, scalars, shift } = station;
  const { shapes } = plan;
  const tail = (partial + map.partial.tail) >> 3;
  for (let b = 0; b < blocks; b++) {
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

function assemble(station: Station, partial: number): Float64Array {
  const { plan, own, map, task, doubles, scalars, shift } = station;
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
