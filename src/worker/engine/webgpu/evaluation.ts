/**
 * One evaluation: the sources forward, tiles of tracers forward and backward, the sources' sweeps, and what is read back.
 *
 * Everything a small job does is one submission and one reading back. Larger ones go tile after tile, and leaves in
 * waves whose partials fit on the device together.
 */
import { invariant, SkewflowError } from '../../../errors.ts';
import { gammaLength } from '../../../kernels/wgsl/shapes.ts';
import { type SourceSweep, sourceGroups } from '../../../kernels/wgsl/source-shaders.ts';
import { workBanks } from '../../../kernels/wgsl/workspace.ts';
import type { Evaluation, EvaluationSink, LeafId, NonFinite } from '../engine.ts';
import { answerShard, answerSources, type LeafParts, type ScalarPlaces, sourcesBlowUp } from './answers.ts';
import { readBack } from './read-back.ts';
import { type EvaluationParts, imageOf, type Setting, settle } from './setting.ts';
import { runTiles } from './tracer-tiles.ts';
import { planWords } from './words.ts';

export async function evaluate(
  parts: EvaluationParts,
  request: Evaluation,
  sink: EvaluationSink,
): Promise<void> {
  const setting = settle(parts, request);
  parts.uploads.given(parts.loaded.emitted.shapes, request);
  await sourcesForward(parts, setting);
  const waves = wavesOf(parts, setting);
  for (const leaves of waves) await runWave(parts, setting, leaves, sink);
  parts.loaded.count(request, (shard) => {
    const { begin, end } = imageOf(parts, shard).range;
    return end - begin;
  });
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
  const { recorder, buffers, loaded, reports } = parts;
  const { emitted } = loaded;
  const { shapes } = emitted;
  reports.open();
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
    work: sweep === null ? [] : readWork(back, buffers.find('work'), sweep.work, leaves.length),
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
              numbers: new Float32Array(memory, at.work[n] ?? 0, sweep.work.answer),
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

/** Bytes to copy and to read that cost as much as one more call of Dawn. */
const callBytes = 2 ** 14;

/** Places of what each leaf's sweep answers: the beginning of its banks, read with the rest where that is short. */
function readWork(
  back: ReturnType<typeof readBack>,
  from: GPUBuffer,
  { answer, length }: SourceSweep['work'],
  leaves: number,
): readonly number[] {
  const numbers = Array.from({ length: leaves }, (_, n) => n);
  if (4 * (length - answer) > callBytes)
    return numbers.map((n) => back.add(from, 4 * length * n, 4 * answer));
  const first = back.add(from, 0, 4 * length * leaves);
  return numbers.map((n) => first + 4 * length * n);
}

const failedBytes = ({ loaded }: EvaluationParts): number =>
  4 * (loaded.emitted.sourcesForward?.work.banks.get(workBanks.failed) ?? 0);

/** Grid points whose source states the sources leaf answers: the end, then the trajectory's. */
function sourceStatePoints({ request, steps }: Setting): readonly number[] {
  const { final, trajectory } = request.rows;
  return final || trajectory.length > 0 ? [steps, ...trajectory] : [];
}

// --- scalar parts -----------------------------------------------------------------------------------------

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
  // A buffer of its own: that of the tiles may lie there for the next evaluation.
  const words = planWords(program, setting.request, setting.kept, [], []);
  const plan = buffers.reserve('scalar plan', words.words.byteLength);
  device.queue.writeBuffer(plan, 0, words.words);
  const totals = buffers.find('totals');
  const wantsSeeds = program.wants.any && (setting.gradient || program.phases === 2);
  for (const [i, term] of emitted.terms.entries()) {
    const job = {
      ...setting.words,
      records: words.records[i] ?? 0,
      count: grid.terms[i]?.length ?? 0,
      leaf,
      params_at: places.params,
      values_at: values[i] ?? 0,
      seeds_at: places.seeds,
    };
    if (term.scalarValue !== null)
      recorder.dispatch(loaded.pipeline(term.scalarValue), 1, job, 0, { out, plan });
    if (term.scalarSeeds !== null && wantsSeeds) {
      recorder.dispatch(loaded.pipeline(term.scalarSeeds), 1, job, 0, { out, plan, gamma: totals });
    }
  }
  return places;
}
