/** How tracers are evaluated, tile after tile: dispatches in order, partials summed, rows read. */
import { invariant } from '../../../errors.ts';
import { blockRows } from '../../../kernels/block.ts';
import { workgroupThreads } from '../../../kernels/wgsl/crew.ts';
import type { JobWords } from '../../../kernels/wgsl/shader.ts';
import type { EvaluationSink } from '../engine.ts';
import type { Pipeline } from './gpu.ts';
import type { Image } from './image.ts';
import { emitRows, rowOutputs } from './outputs.ts';
import { readBack } from './read-back.ts';
import type { EvaluationParts, Setting } from './setting.ts';
import { type BlockBytes, planTiles, type Run, type Tile, tileCapacity } from './tiles.ts';
import { type BlockWords, type PartialRun, planWords } from './words.ts';

/** Runs all shards; their partials are left in `totals`, what workgroups leave in `wave out`. Returns the workgroups. */
export async function runTiles(
  parts: EvaluationParts,
  setting: Setting,
  shards: readonly Image[],
  sink: EvaluationSink,
  numberOf: (shard: number) => number,
): Promise<number> {
  if (shards.length === 0) return 0;
  const { buffers, recorder, loaded, device } = parts;
  const { shapes } = loaded.emitted;
  const { lanes } = shapes.tracerCrew;
  const need = blockBytes(parts, setting);
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const tiles = planTiles(
    shards.map((s) => s.blocks),
    tileCapacity(need, {
      bindingBytes: Math.min(maxStorageBufferBindingSize, maxBufferSize),
      budgetBytes: parts.budgetBytes,
    }),
  );
  const units = shards.reduce((n, s) => n + s.blocks * lanes, 0);
  const waveOut = buffers.reserve('wave out', 4 * units * setting.outWords);
  const pieces = Math.max(...tiles.flat().map((r) => r.pieces));
  if (pieces > 1) buffers.reserve('pieces', 4 * pieces * setting.partial);
  const outputs = shards.map((s) => rowOutputs(loaded, setting.request, s.range));
  let done = 0;
  for (const tile of tiles) {
    await runTile(parts, setting, shards, tile, need, numberOf);
    const blocks = tile.reduce((n, r) => n + r.count, 0);
    recorder.copy(
      buffers.find('out'),
      0,
      waveOut,
      4 * done * lanes * setting.outWords,
      4 * blocks * lanes * setting.outWords,
    );
    done += blocks;
    sumPieces(parts, setting, shards, tile, numberOf);
    if (outputs.some((o) => o.length > 0)) {
      await readRows(parts, setting, shards, tile, outputs);
    }
    for (const run of tile) {
      const shard = shards[run.shard];
      if (shard !== undefined && run.piece + 1 === run.pieces)
        emitRows(shard.range, outputs[run.shard] ?? [], sink);
    }
  }
  return units;
}

function blockBytes({ loaded, residents }: EvaluationParts, setting: Setting): BlockBytes {
  const { shapes } = loaded.emitted;
  const plane = 4 * blockRows;
  const d = shapes.tracers.stateComponents;
  const held = setting.gradient ? setting.segment : 1;
  return {
    carry: shapes.carry.components * plane,
    gamma: setting.gradient ? 4 * setting.partial * shapes.tracerCrew.lanes : 4,
    held: held * shapes.slots * d * plane,
    image: residents.size > 0 ? 0 : shapes.imageComponents * plane,
    kept: (setting.gradient ? 2 : 1) * setting.kept.length * d * plane,
    out: 4 * setting.outWords * shapes.tracerCrew.lanes,
  };
}

async function runTile(
  parts: EvaluationParts,
  setting: Setting,
  shards: readonly Image[],
  tile: Tile,
  need: BlockBytes,
  numberOf: (shard: number) => number,
): Promise<void> {
  const { buffers, recorder, loaded } = parts;
  const { program, emitted } = loaded;
  const { shapes } = emitted;
  const { lanes } = shapes.tracerCrew;
  const { steps, segment, gradient, request, kept } = setting;
  const blocks = tile.reduce((n, r) => n + r.count, 0);
  const units = blocks * lanes;
  recorder.submit();
  const inPieces = tile.some((run) => run.pieces > 1);
  const totals = tile.map((run) => (inPieces ? run.piece : numberOf(shards[run.shard]?.range.index ?? 0)));
  const plan = parts.uploads.plan({ request, kept, shards, tile, totals, residents: parts.residents }, () =>
    planWords(program, request, kept, placeImages(parts, shards, tile), runsOf(tile, lanes, totals)),
  );
  for (const name of ['carry', 'gamma', 'held', 'kept', 'out'] as const) {
    buffers.reserve(name, need[name] * blocks);
  }
  for (const name of ['carry', 'gamma', 'out'] as const) {
    recorder.clear(buffers.find(name), need[name] * blocks);
  }
  if (gradient) {
    // Behind the states, which the sweep writes, what is added to λ.
    const half = (need.kept * blocks) / 2;
    recorder.clear(buffers.find('kept'), half, half);
  }
  const job: JobWords = {
    ...setting.words,
    units,
    blocks,
    kept_at: plan.keptAt,
    holds: gradient ? 1 : 0,
  };
  const rows = blocks * blockRows;
  const termJobs = program.terms.map(
    (_, i): JobWords => ({
      ...job,
      records: plan.records[i] ?? 0,
      count: request.inputs.grid.terms[i]?.length ?? 0,
    }),
  );
  /** Steps [first, end), as many a dispatch as its time allows. */
  const sweep = async (
    pipeline: Pipeline,
    [first, end]: readonly [number, number],
    visits: number,
    start: number,
    backward: boolean,
  ): Promise<void> => {
    const stepVisits = Math.max(1, visits * rows * shapes.slots);
    const atOnce = Math.max(1, Math.floor(recorder.visitsAtOnce() / stepVisits));
    for (let n = 0; n === 0 || n < end - first; n += atOnce) {
      const count = Math.min(atOnce, end - first - n);
      const [from, to] = backward ? [end - n - count, end - n] : [first + n, first + n + count];
      recorder.dispatch(
        pipeline,
        units,
        { ...job, first: from, end: to, held: first, start: n === 0 ? start : 1 },
        stepVisits * count,
      );
      await recorder.breathe();
    }
  };
  const forward = emitted.tracersForward === null ? null : loaded.pipeline(emitted.tracersForward);
  const starts = gradient
    ? Array.from({ length: Math.max(1, Math.ceil(steps / segment)) }, (_, n) => n * segment)
    : [0];
  const endOf = (first: number): number => (gradient ? Math.min(steps, first + segment) : steps);
  if (forward !== null) {
    for (const first of starts) {
      await sweep(forward, [first, endOf(first)], loaded.visits.tracersFlow, first === 0 ? 0 : 1, false);
    }
  }
  for (const [i, term] of emitted.terms.entries()) {
    if (term.sums === null) continue;
    recorder.dispatch(loaded.pipeline(term.sums), units, termJobs[i] ?? job, rows);
  }
  if (emitted.values !== null && request.rows.values) {
    recorder.dispatch(loaded.pipeline(emitted.values), units, job, rows);
  }
  if (gradient) {
    for (const [i, term] of emitted.terms.entries()) {
      if (term.seeds === null) continue;
      recorder.dispatch(loaded.pipeline(term.seeds), units, termJobs[i] ?? job, rows);
      await recorder.breathe();
    }
    const backward = emitted.tracersBackward === null ? null : loaded.pipeline(emitted.tracersBackward);
    for (const first of backward === null ? [] : [...starts].reverse()) {
      invariant(backward !== null, 'there is something to go back with');
      const again = forward !== null && endOf(first) < steps;
      if (again) {
        const start = first === 0 ? 0 : kept.indexOf(first) + 2;
        await sweep(forward, [first, endOf(first)], loaded.visits.tracersFlow, start, false);
      }
      await sweep(backward, [first, endOf(first)], loaded.visits.tracersVjp, 0, true);
    }
  }
  if (emitted.collect !== null) recorder.dispatch(loaded.pipeline(emitted.collect), units, job, 0);
  if (gradient) {
    const chunks = Math.ceil(setting.partial / workgroupThreads);
    recorder.dispatch(
      loaded.pipeline(emitted.reduce),
      chunks * tile.length,
      { ...job, records: plan.runs, count: chunks, units: tile.length },
      0,
      inPieces ? { totals: buffers.find('pieces') } : {},
    );
  }
}

/** Images of the tile's blocks on the device, uploaded where they are not resident. */
function placeImages(
  { buffers, device, loaded, residents }: EvaluationParts,
  shards: readonly Image[],
  tile: Tile,
): readonly BlockWords[] {
  const { imageComponents } = loaded.emitted.shapes;
  const blockNumbers = imageComponents * blockRows;
  const total = tile.reduce((n, r) => n + r.count, 0);
  if (residents.size === 0) buffers.reserve('image', 4 * blockNumbers * total);
  let next = 0;
  return tile.flatMap((run) => {
    const shard = shards[run.shard];
    invariant(shard !== undefined, 'a run is of a shard');
    const resident = residents.get(shard.range.index);
    const first = resident === undefined ? next : resident + run.first;
    if (resident === undefined && blockNumbers > 0) {
      device.queue.writeBuffer(
        buffers.find('image'),
        4 * blockNumbers * next,
        shard.data,
        blockNumbers * run.first,
        blockNumbers * run.count,
      );
    }
    next += run.count;
    const rows = shard.range.end - shard.range.begin;
    return Array.from({ length: run.count }, (_, n): BlockWords => {
      const row = (run.first + n) * blockRows;
      return { image: first + n, firstRow: shard.range.begin + row, rows: Math.min(blockRows, rows - row) };
    });
  });
}

/** The workgroups of each run, whose partials are added. */
function runsOf(tile: Tile, lanes: number, totals: readonly number[]): readonly PartialRun[] {
  let first = 0;
  return tile.map((run, n) => {
    const here = { first, count: run.count * lanes, total: totals[n] ?? 0 };
    first += here.count;
    return here;
  });
}

/** The partials of a shard's pieces become one when the last has come: pieces are tiles of their own. */
function sumPieces(
  parts: EvaluationParts,
  setting: Setting,
  shards: readonly Image[],
  [run]: Tile,
  numberOf: (shard: number) => number,
): void {
  if (!setting.gradient || run === undefined || run.pieces === 1 || run.piece + 1 < run.pieces) return;
  const { buffers, recorder, loaded, device } = parts;
  recorder.submit();
  parts.uploads.forgetPlan();
  const leaf = numberOf(shards[run.shard]?.range.index ?? 0);
  device.queue.writeBuffer(buffers.find('plan'), 0, Uint32Array.of(0, run.pieces, leaf));
  const chunks = Math.ceil(setting.partial / workgroupThreads);
  recorder.dispatch(
    loaded.pipeline(loaded.emitted.reduce),
    chunks,
    { ...setting.words, records: 0, count: chunks, units: 1 },
    0,
    { gamma: buffers.find('pieces') },
  );
}

/** Reads what rows of a tile carry, and their states at the points asked for, into the outputs. */
async function readRows(
  parts: EvaluationParts,
  setting: Setting,
  shards: readonly Image[],
  tile: Tile,
  outputs: readonly ReturnType<typeof rowOutputs>[],
): Promise<void> {
  const { buffers, loaded, reports } = parts;
  const { shapes } = loaded.emitted;
  const blocks = tile.reduce((n, r) => n + r.count, 0);
  const back = readBack(parts);
  const carryBytes = 4 * blockRows * shapes.carry.components * blocks;
  const carryAt = back.add(buffers.find('carry'), 0, carryBytes);
  const planeBytes = 4 * blockRows * shapes.tracers.stateComponents * blocks;
  const points = [
    ...new Set([...setting.request.rows.trajectory, ...(setting.request.rows.final ? [setting.steps] : [])]),
  ];
  const keptAt = new Map(
    points.map((k) => [k, back.add(buffers.find('kept'), setting.kept.indexOf(k) * planeBytes, planeBytes)]),
  );
  const memory = await back.read();
  reports.open();
  const carry = new Float32Array(memory, carryAt, carryBytes / 4);
  const states = (point: number): Float32Array =>
    new Float32Array(memory, keptAt.get(point) ?? 0, planeBytes / 4);
  let block = 0;
  for (const run of tile as readonly Run[]) {
    const shard = shards[run.shard];
    for (const output of outputs[run.shard] ?? []) {
      if (shard !== undefined) output.put({ carry, states, block, run, steps: setting.steps });
    }
    block += run.count;
  }
}
