/**
 * One evaluation: the sources forward, tiles of tracers forward and backward, the sources' sweeps, and what is read back.
 *
 * Everything a small job does is one submission and one reading back. Larger ones go tile after tile, and leaves in
 * waves whose partials fit on the device together.
 */
import { invariant, SkewflowError } from '../../../errors.ts';
import { blockRows } from '../../../kernels/block.ts';
import { workgroupThreads } from '../../../kernels/wgsl/crew.ts';
import type { JobWords } from '../../../kernels/wgsl/shader.ts';
import { gammaLength } from '../../../kernels/wgsl/shapes.ts';
import { type SourceSweep, sourceGroups } from '../../../kernels/wgsl/source-shaders.ts';
import { outSums } from '../../../kernels/wgsl/term-rows.ts';
import { workBanks } from '../../../kernels/wgsl/workspace.ts';
import type { Evaluation, EvaluationSink, LeafId, NonFinite } from '../engine.ts';
import { answerShard, answerSources, type LeafParts, sourcesBlowUp } from './answers.ts';
import { type Buffers, type Pipeline, type Recorder, usage } from './gpu.ts';
import type { Image } from './image.ts';
import type { Loaded } from './loaded.ts';
import { emitRows, rowOutputs } from './outputs.ts';
import { type BlockBytes, planTiles, type Run, type Tile, tileCapacity } from './tiles.ts';
import { type BlockWords, bitsOf, givenNumbers, gridOffset, keptPoints, planWords } from './words.ts';

export interface EvaluationParts {
  readonly device: GPUDevice;
  readonly loaded: Loaded;
  readonly buffers: Buffers;
  readonly recorder: Recorder;
  readonly shards: ReadonlyMap<number, Image>;
  readonly segmentSteps: number;
  readonly budgetBytes: number;
  /** Image blocks that are on the device already, and where; empty when they do not fit. */
  readonly residents: ReadonlyMap<number, number>;
}

/** What is settled before anything runs. */
interface Setting {
  readonly request: Evaluation;
  readonly gradient: boolean;
  readonly steps: number;
  /** Steps held at once. */
  readonly segment: number;
  readonly kept: readonly number[];
  readonly words: JobWords;
  /** Numbers of a partial, words a workgroup leaves. */
  readonly partial: number;
  readonly outWords: number;
}

export async function evaluate(
  parts: EvaluationParts,
  request: Evaluation,
  sink: EvaluationSink,
): Promise<void> {
  const setting = settle(parts, request);
  const { buffers, device } = parts;
  const given = givenNumbers(parts.loaded.emitted.shapes, request);
  device.queue.writeBuffer(buffers.reserve('given', given.byteLength), 0, given);
  await sourcesForward(parts, setting);
  const waves = wavesOf(parts, setting);
  for (const leaves of waves) await runWave(parts, setting, leaves, sink);
  parts.loaded.count(request, (shard) => {
    const { begin, end } = imageOf(parts, shard).range;
    return end - begin;
  });
}

function settle({ loaded, segmentSteps, shards }: EvaluationParts, request: Evaluation): Setting {
  const { program, emitted } = loaded;
  const { shapes } = emitted;
  const { grid } = request.inputs;
  const steps = grid.times.length - 1;
  const gradient = request.want === 'gradient' && program.wants.any;
  const segment = Math.max(1, Math.min(segmentSteps, steps));
  const starts =
    gradient && segment < steps
      ? Array.from({ length: Math.ceil(steps / segment) - 1 }, (_, n) => (n + 1) * segment)
      : [];
  const hasShards = request.leaves.some((l) => l !== 'sources');
  invariant(
    request.leaves.every((l) => l === 'sources' || shards.has(l)) || hasShards,
    'leaves are shards or the sources',
  );
  const kept = hasShards
    ? keptPoints(program, grid, [
        ...starts,
        ...request.rows.trajectory,
        ...(request.rows.final ? [steps] : []),
      ])
    : [];
  const gamma = gammaLength(shapes, steps);
  const partial = program.wants.any ? Math.max(1, gamma + shapes.tail.length) : 1;
  const outWords = outSums(shapes) + 2 * grid.sums;
  return {
    request,
    gradient,
    steps,
    segment,
    kept,
    partial,
    outWords,
    words: {
      points: kept.length,
      partial,
      tail: gamma,
      out_words: outWords,
      sums: grid.sums,
      params: shapes.paramComponents,
      stages: shapes.stages,
      grid: gridOffset(shapes, grid),
      steps,
      at_time: bitsOf(grid.times[steps] ?? 0),
    },
  };
}

// --- sources ----------------------------------------------------------------------------------------------

async function sourcesForward(parts: EvaluationParts, setting: Setting): Promise<void> {
  const { loaded, buffers } = parts;
  const { shapes, sourcesForward: sweep } = loaded.emitted;
  buffers.reserve('path', 4 * gammaLength(shapes, setting.steps));
  if (sweep === null) return;
  buffers.reserve('forward work', 4 * sweep.work.length);
  await runSweep(parts, setting, sweep, loaded.visits.sourcesFlow, 1, 'forward');
}

/** All steps of a sweep of the sources: few dispatches for one workgroup, one a phase otherwise. */
async function runSweep(
  { loaded, recorder, buffers }: EvaluationParts,
  { steps, words }: Setting,
  sweep: SourceSweep,
  visitsPerRow: number,
  leaves: number,
  direction: 'backward' | 'forward',
): Promise<void> {
  const { shapes } = loaded.emitted;
  const bound =
    direction === 'forward' ? { work: buffers.find('forward work') } : { gamma: buffers.find('totals') };
  const groups = sourceGroups(shapes) * leaves;
  const stepVisits = visitsPerRow * shapes.sources.rows * shapes.slots * leaves;
  const job = { ...words, units: leaves };
  const start = loaded.pipeline(sweep.start);
  const forward = direction === 'forward';
  if (sweep.rounds.length === 0) {
    const atOnce = Math.max(1, Math.floor(recorder.visitsAtOnce() / Math.max(1, stepVisits)));
    for (let done = 0; done === 0 || done < steps; done += atOnce) {
      const count = Math.min(atOnce, steps - done);
      const [first, end] = forward ? [done, done + count] : [steps - done - count, steps - done];
      recorder.dispatch(start, groups, { ...job, first, end }, stepVisits * count, bound);
      await recorder.breathe();
    }
    return;
  }
  recorder.dispatch(start, groups, job, 0, bound);
  for (let n = 0; n < steps; n++) {
    const k = forward ? n : steps - 1 - n;
    for (const { shader, stage } of sweep.rounds) {
      recorder.dispatch(
        loaded.pipeline(shader),
        groups,
        { ...job, first: k, stage },
        stepVisits / sweep.rounds.length,
        bound,
      );
      await recorder.breathe();
    }
  }
}

/** Leaves whose partials fit on the device together. */
function wavesOf(parts: EvaluationParts, { request, partial }: Setting): readonly (readonly LeafId[])[] {
  const { sourcesBackward: sweep } = parts.loaded.emitted;
  const bytes = 4 * Math.max(partial, sweep?.work.length ?? 1);
  const { maxStorageBufferBindingSize } = parts.device.limits;
  const most = Math.floor(Math.min(maxStorageBufferBindingSize, parts.budgetBytes / 4) / bytes);
  if (most < 1) {
    throw new SkewflowError(
      'MemoryError',
      `a sweep of the sources needs ${bytes} bytes on the device and ${maxStorageBufferBindingSize} are available: take fewer steps, or use \`--engine wasm\``,
      { needed: bytes, available: maxStorageBufferBindingSize },
    );
  }
  const waves: LeafId[][] = [];
  for (let n = 0; n < request.leaves.length; n += most) waves.push(request.leaves.slice(n, n + most));
  return waves;
}

// --- a wave -----------------------------------------------------------------------------------------------

async function runWave(
  parts: EvaluationParts,
  setting: Setting,
  leaves: readonly LeafId[],
  sink: EvaluationSink,
): Promise<void> {
  const { recorder, buffers, loaded } = parts;
  const { emitted } = loaded;
  const { shapes } = emitted;
  const shards = leaves.flatMap((l) => (l === 'sources' ? [] : [imageOf(parts, l)]));
  const totals = buffers.reserve('totals', 4 * setting.partial * leaves.length);
  recorder.clear(totals, 4 * setting.partial * leaves.length);
  const numberOf = new Map(leaves.map((l, n) => [l, n]));
  const units = await runTiles(parts, setting, shards, sink, (shard) => numberOf.get(shard) ?? 0);
  const scalars = leaves.includes('sources')
    ? runScalars(parts, setting, numberOf.get('sources') ?? 0)
    : null;
  const sweep = setting.gradient ? emitted.sourcesBackward : null;
  if (sweep !== null) {
    buffers.reserve('work', 4 * sweep.work.length * leaves.length);
    recorder.clear(buffers.find('work'), 4 * sweep.work.length * leaves.length);
    await runSweep(parts, setting, sweep, loaded.visits.sourcesVjp, leaves.length, 'backward');
  }
  const back = readBack(parts);
  const at = {
    failed: back.add(
      buffers.find('forward work'),
      failedBytes(parts),
      4 * shapes.sources.rows * (emitted.sourcesForward === null ? 0 : 1),
    ),
    out: back.add(buffers.find('wave out'), 0, 4 * units * setting.outWords),
    scalars: back.add(buffers.find('scalars'), 0, 4 * (scalars?.words ?? 0)),
    work: back.add(buffers.find('work'), 0, sweep === null ? 0 : 4 * sweep.work.length * leaves.length),
    tails: leaves.map((_, n) =>
      back.add(
        totals,
        4 * (n * setting.partial + (setting.words.tail ?? 0)),
        setting.gradient ? 4 * shapes.tail.length : 0,
      ),
    ),
    path: sourceStatePoints(setting).map((k) =>
      back.add(
        buffers.find('path'),
        4 * gammaLength(shapes, k) - 4 * shapes.sources.rows * shapes.sources.stateComponents,
        leaves.includes('sources') ? 4 * shapes.sources.rows * shapes.sources.stateComponents : 0,
      ),
    ),
  };
  const memory = await back.read();
  const blowUp = sourcesBlowUp(
    new Float32Array(memory, at.failed, emitted.sourcesForward === null ? 0 : shapes.sources.rows),
  );
  let unit = 0;
  for (const [n, leaf] of leaves.entries()) {
    const leafParts: LeafParts = {
      work:
        sweep === null
          ? null
          : {
              sweep,
              numbers: new Float32Array(memory, at.work + 4 * sweep.work.length * n, sweep.work.length),
            },
      tail: new Float32Array(memory, at.tails[n] ?? 0, setting.gradient ? shapes.tail.length : 0),
    };
    if (leaf === 'sources') {
      invariant(scalars !== null, 'the sources leaf was evaluated');
      sink.partial(
        blowUp === null
          ? answerSources(loaded, setting.request, leafParts, {
              ...scalars,
              words: new Uint32Array(memory, at.scalars, scalars.words),
              states: at.path.map(
                (p) => new Float32Array(memory, p, shapes.sources.rows * shapes.sources.stateComponents),
              ),
            })
          : { ...blowUp, leaf },
      );
      continue;
    }
    const image = imageOf(parts, leaf);
    const count = image.blocks * shapes.tracerCrew.lanes;
    const words = new Uint32Array(memory, at.out + 4 * unit * setting.outWords, count * setting.outWords);
    unit += count;
    sink.partial(
      blowUp === null
        ? answerShard(loaded, setting.request, image.range, words, setting.outWords, leafParts)
        : ({ ...blowUp, leaf } satisfies NonFinite),
    );
    sink.progress?.(image.blocks);
  }
}

function imageOf({ shards }: EvaluationParts, leaf: number): Image {
  const image = shards.get(leaf);
  if (image === undefined) {
    throw new SkewflowError(
      'ProtocolError',
      `shard ${leaf} is not bound: it is bound before it is evaluated`,
    );
  }
  return image;
}

const failedBytes = ({ loaded }: EvaluationParts): number =>
  4 * (loaded.emitted.sourcesForward?.work.banks.get(workBanks.failed) ?? 0);

/** Grid points whose source states the sources leaf answers: the end, then the trajectory's. */
function sourceStatePoints({ request, steps }: Setting): readonly number[] {
  const { final, trajectory } = request.rows;
  return final || trajectory.length > 0 ? [steps, ...trajectory] : [];
}

/** Parts of buffers, copied one after another into one that is read. */
function readBack({ recorder, buffers }: EvaluationParts): {
  readonly add: (from: GPUBuffer, offset: number, bytes: number) => number;
  readonly read: () => Promise<ArrayBuffer>;
} {
  const copies: (readonly [GPUBuffer, number, number, number])[] = [];
  let next = 0;
  return {
    add: (from, offset, bytes) => {
      const at = next;
      if (bytes > 0) copies.push([from, offset, at, bytes]);
      next = at + Math.ceil(bytes / 8) * 8;
      return at;
    },
    read: async () => {
      if (next === 0) {
        recorder.submit();
        return new ArrayBuffer(0);
      }
      const to = buffers.reserve('back', next, usage.mapRead | usage.copyTarget);
      for (const [from, offset, at, bytes] of copies) recorder.copy(from, offset, to, at, bytes);
      return recorder.read(to, next);
    },
  };
}

// --- scalar parts -----------------------------------------------------------------------------------------

/** Where the sources leaf's numbers lie among those read back. */
export interface ScalarPlaces {
  readonly words: number;
  readonly params: number;
  /** First value of each term. */
  readonly values: readonly number[];
  readonly seeds: number;
}

function runScalars(parts: EvaluationParts, setting: Setting, leaf: number): ScalarPlaces {
  const { loaded, recorder, buffers, device } = parts;
  const { program, emitted } = loaded;
  const { shapes } = emitted;
  const { grid } = setting.request.inputs;
  let next = shapes.paramComponents;
  const values = program.terms.map((t, i) => {
    const at = next;
    next += t.scalar === null ? 0 : (grid.terms[i]?.length ?? 0);
    return at;
  });
  const places = { params: 0, values, seeds: next, words: next + grid.sums };
  const out = buffers.reserve('scalars', 4 * places.words);
  recorder.clear(out, 4 * places.words);
  recorder.submit();
  const plan = planWords(program, setting.request, setting.kept, [], []);
  device.queue.writeBuffer(buffers.reserve('plan', plan.words.byteLength), 0, plan.words);
  const totals = buffers.find('totals');
  const wantsSeeds = program.wants.any && (setting.gradient || program.phases === 2);
  for (const [i, term] of emitted.terms.entries()) {
    const job = {
      ...setting.words,
      records: plan.records[i] ?? 0,
      count: grid.terms[i]?.length ?? 0,
      leaf,
      params_at: places.params,
      values_at: values[i] ?? 0,
      seeds_at: places.seeds,
    };
    if (term.scalarValue !== null) recorder.dispatch(loaded.pipeline(term.scalarValue), 1, job, 0, { out });
    if (term.scalarSeeds !== null && wantsSeeds) {
      recorder.dispatch(loaded.pipeline(term.scalarSeeds), 1, job, 0, { out, gamma: totals });
    }
  }
  return places;
}

// --- tiles ------------------------------------------------------------------------------------------------

/** Runs all shards; their partials are left in `totals`, what workgroups leave in `wave out`. Returns the workgroups. */
async function runTiles(
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
    await runTile(parts, setting, shards, tile, need);
    const blocks = tile.reduce((n, r) => n + r.count, 0);
    recorder.copy(
      buffers.find('out'),
      0,
      waveOut,
      4 * done * lanes * setting.outWords,
      4 * blocks * lanes * setting.outWords,
    );
    done += blocks;
    sumRuns(parts, setting, shards, tile, numberOf);
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
    kept: 2 * setting.kept.length * d * plane,
    out: 4 * setting.outWords * shapes.tracerCrew.lanes,
  };
}

async function runTile(
  parts: EvaluationParts,
  setting: Setting,
  shards: readonly Image[],
  tile: Tile,
  need: BlockBytes,
): Promise<void> {
  const { buffers, recorder, loaded, device } = parts;
  const { program, emitted } = loaded;
  const { shapes } = emitted;
  const { lanes } = shapes.tracerCrew;
  const { steps, segment, gradient, request, kept } = setting;
  const blocks = tile.reduce((n, r) => n + r.count, 0);
  const units = blocks * lanes;
  recorder.submit();
  const table = placeImages(parts, shards, tile);
  const plan = planWords(program, request, kept, table, runsOf(tile, lanes));
  device.queue.writeBuffer(buffers.reserve('plan', plan.words.byteLength), 0, plan.words);
  for (const name of ['carry', 'gamma', 'held', 'kept', 'out'] as const) {
    buffers.reserve(name, need[name] * blocks);
    if (name !== 'held') recorder.clear(buffers.find(name), need[name] * blocks);
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
function runsOf(tile: Tile, lanes: number): readonly { readonly first: number; readonly count: number }[] {
  let first = 0;
  return tile.map((run) => {
    const here = { first, count: run.count * lanes };
    first += here.count;
    return here;
  });
}

/** Partials of whole shards go to `totals`; those of pieces meet when the last has come. */
function sumRuns(
  parts: EvaluationParts,
  setting: Setting,
  shards: readonly Image[],
  tile: Tile,
  numberOf: (shard: number) => number,
): void {
  if (!setting.gradient) return;
  const { buffers, recorder, loaded, device } = parts;
  const bytes = 4 * setting.partial;
  const totals = buffers.find('totals');
  const runs = runsOf(tile, loaded.emitted.shapes.tracerCrew.lanes);
  for (const [n, run] of tile.entries()) {
    const leaf = numberOf(shards[run.shard]?.range.index ?? 0);
    const from = (runs[n]?.first ?? 0) * bytes;
    if (run.pieces === 1) {
      recorder.copy(buffers.find('gamma'), from, totals, leaf * bytes, bytes);
      continue;
    }
    const pieces = buffers.find('pieces');
    recorder.copy(buffers.find('gamma'), from, pieces, run.piece * bytes, bytes);
    if (run.piece + 1 < run.pieces) continue;
    recorder.submit();
    device.queue.writeBuffer(buffers.find('plan'), 0, Uint32Array.of(0, run.pieces));
    const chunks = Math.ceil(setting.partial / workgroupThreads);
    recorder.dispatch(
      loaded.pipeline(loaded.emitted.reduce),
      chunks,
      { ...setting.words, records: 0, count: chunks, units: 1 },
      0,
      { gamma: pieces },
    );
    recorder.copy(pieces, 0, totals, leaf * bytes, bytes);
  }
}

/** Reads what rows of a tile carry, and their states at the points asked for, into the outputs. */
async function readRows(
  parts: EvaluationParts,
  setting: Setting,
  shards: readonly Image[],
  tile: Tile,
  outputs: readonly ReturnType<typeof rowOutputs>[],
): Promise<void> {
  const { buffers, loaded } = parts;
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
