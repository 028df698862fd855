/**
 * What a thread does in one evaluation: the sources' trajectory with the others, then units of blocks until none is left.
 *
 * A unit is an aligned run of blocks of a shard, so its sum is a subtree of the shard's tree: whoever finishes the
 * second of two neighbours adds them, and whoever reaches the root runs the shard's sweep over the sources.
 */
import { invariant } from '../../../errors.ts';
import { barrierName } from '../../../kernels/wasm/names.ts';
import { leftCount } from '../../../partition/tree.ts';
import { unitBlocks } from '../../../partition/units.ts';
import type { NonFinite, Partial } from '../engine.ts';
import {
  controlWords,
  type FromThread,
  failureDoubles,
  failureKinds,
  type LeafTask,
  type ShardTask,
  sourcesState,
  sweepsState,
  type Visited,
} from './messages.ts';
import { mergePartials, readSums } from './partials.ts';
import {
  clearSweep,
  evaluateScalars,
  evaluateSourcesLeaf,
  finishSweep,
  runSourcesForward,
  runSweep,
  sourcesAnswer,
  sweepBackward,
} from './source-leaf.ts';
import { exported, type Station, sourceThreads, takeSources } from './station.ts';
import { evaluateBlock, type Failure } from './tracer-block.ts';

export type Post = (message: FromThread) => void;

export function evaluate(station: Station, post: Post): void {
  if (shareSources(station, post)) {
    for (let unit = nextUnit(station); unit !== null; unit = nextUnit(station)) runUnit(station, unit, post);
    if (station.task.keepsPartials && sweepsFollow(station)) shareSweeps(station, post);
  }
  post({ kind: 'done', visited: visitedRows(station) });
}

// --- the sources first ------------------------------------------------------------------------------------

/** One thread, or several together, run the sources forward; the others wait. False: they blew up, and every leaf has been told. */
function shareSources(station: Station, post: Post): boolean {
  const { control, task } = station;
  const word = controlWords.sources;
  const { waiting, running, done, failed } = sourcesState;
  const runs = task.together
    ? task.thread < sourceThreads(station)
    : Atomics.compareExchange(control, word, waiting, running) === waiting;
  if (runs) {
    const failure = runSourcesForward(station, task.together);
    if (!task.together || task.thread === 0) {
      for (const [leaf, { id }] of failure === null ? [] : task.leaves.entries()) {
        invariant(failure !== null, 'leaves are told of a failure');
        post({ kind: 'leaf', leaf, partial: { ...failure, leaf: id } });
      }
      settle(control, word, failure === null ? done : failed);
    }
  }
  return settled(control, word, (state) => state === done || state === failed) === done;
}

/** Stores a word that others wait for. */
function settle(control: Int32Array, word: number, value: number): void {
  Atomics.store(control, word, value);
  Atomics.notify(control, word);
}

/** Waits until a word satisfies. */
function settled(control: Int32Array, word: number, satisfies: (value: number) => boolean): number {
  for (;;) {
    const value = Atomics.load(control, word);
    if (satisfies(value)) return value;
    Atomics.wait(control, word, value);
  }
}

// --- shared sweeps over the sources -----------------------------------------------------------------------

/** Waits for the last unit. The first thread decides for all, since an abort may come between two looks. */
function sweepsFollow(station: Station): boolean {
  const { control, task } = station;
  Atomics.add(control, controlWords.idle, 1);
  Atomics.notify(control, controlWords.idle);
  const { undecided, follow, dropped } = sweepsState;
  if (task.thread === 0) {
    settled(control, controlWords.idle, (idle) => idle === task.threads);
    settle(control, controlWords.sweeps, isAborted(station) ? dropped : follow);
  }
  return settled(control, controlWords.sweeps, (state) => state !== undecided) === follow;
}

/** Leaf after leaf, the threads sweep over their shares of the sources; the first prepares and finishes each. */
function shareSweeps(station: Station, post: Post): void {
  const { own, task, map } = station;
  if (task.thread >= sourceThreads(station)) return;
  const at = takeSources(station, true);
  for (const [number, leaf] of task.leaves.entries()) {
    const partial = map.units[leaf.partial];
    invariant(partial !== undefined, 'every leaf keeps its partial for the shared sweeps');
    const first = task.thread === 0;
    const parts = first && leaf.shard === null ? evaluateScalars(station, partial) : null;
    if (first) clearSweep(station, at);
    meet(station);
    runSweep(station, partial);
    meet(station);
    if (!first) continue;
    const failure = leaf.shard === null ? null : readFailure(station, leaf.shard);
    if (failure !== null) {
      post({
        kind: 'leaf',
        leaf: number,
        partial: { kind: 'non-finite', leaf: leaf.id, group: 'tracers', ...failure },
      });
      continue;
    }
    const gradient = finishSweep(station, at, partial, leaf.id);
    post({ kind: 'leaf', leaf: number, partial: answerOf(station, leaf, partial, parts, gradient) });
  }
  function meet({ plan }: Station): void {
    if (plan.sources !== null) exported(station, barrierName)(own.sources);
  }
}

function answerOf(
  station: Station,
  leaf: LeafTask,
  partial: number,
  parts: ReturnType<typeof evaluateScalars> | null,
  gradient: Float64Array | NonFinite,
): Partial {
  if (parts !== null && 'kind' in parts) return parts;
  if (!(gradient instanceof Float64Array)) return gradient;
  if (parts !== null) return sourcesAnswer(station, parts, gradient);
  return {
    kind: 'partial',
    leaf: leaf.id,
    ...readSums(station, partial),
    loss: 0,
    gradient,
    seeds: null,
    sourceStates: null,
  };
}

// --- units ------------------------------------------------------------------------------------------------

interface Unit {
  readonly leaf: number;
  readonly first: number;
  readonly blocks: number;
}

const isAborted = ({ control }: Station): boolean => Atomics.load(control, controlWords.aborted) !== 0;

function nextUnit(station: Station): Unit | null {
  if (isAborted(station)) return null;
  const { control, task } = station;
  const n = Atomics.add(control, controlWords.nextUnit, 1) * 3;
  const [leaf, first, blocks] = task.units.subarray(n, n + 3);
  return leaf === undefined || first === undefined || blocks === undefined ? null : { leaf, first, blocks };
}

function runUnit(station: Station, unit: Unit, post: Post): void {
  const leaf = station.task.leaves[unit.leaf];
  invariant(leaf !== undefined, 'a unit belongs to a leaf');
  const { shard } = leaf;
  if (shard === null) {
    post({ kind: 'leaf', leaf: unit.leaf, partial: evaluateSourcesLeaf(station, stackAt(station, 0)) });
    return;
  }
  const added = runBlocks(station, shard, unit);
  // Blocks may be missing, and nobody wants the others.
  if (isAborted(station)) return;
  const root = climb(station, shard, unit, added);
  post({ kind: 'progress', blocks: unit.blocks });
  // Where sweeps are shared, a shard is finished after all units.
  if (root === null || station.task.keepsPartials) return;
  const partial = finishShard(station, leaf, shard, root);
  station.passing?.('answered', shard.range.index, shard.range.begin);
  post({ kind: 'leaf', leaf: unit.leaf, partial });
}

/** The unit's partial: neighbours are added as soon as both are there, so few are held. */
function runBlocks(station: Station, shard: ShardTask, { first, blocks }: Unit): number {
  const unitNumber = first / unitBlocks(shard.blocks, shard.units);
  const target = shard.firstPartial === -1 ? stackAt(station, 0) : unitPartial(station, shard, unitNumber);
  const sum = (begin: number, count: number, depth: number): number => {
    const at = depth === 0 ? target : stackAt(station, depth);
    // A unit may take minutes: an abort is heeded between blocks.
    if (isAborted(station)) return at;
    if (count === 1) {
      const failure = evaluateBlock(station, shard, begin, at);
      if (failure !== null) recordFailure(station, shard, failure);
      return at;
    }
    const left = leftCount(count);
    sum(begin, left, depth);
    mergePartials(station, at, sum(begin + left, count - left, depth + 1));
    return at;
  };
  return sum(first, blocks, 0);
}

/**
 * Goes up the shard's tree from a finished unit. At each pair of neighbours the first to come leaves its partial, the
 * second adds; the address of the root's partial when this unit was the last, else null.
 */
function climb(station: Station, shard: ShardTask, { first }: Unit, partial: number): number | null {
  if (shard.firstPartial === -1) return partial;
  let index = first / unitBlocks(shard.blocks, shard.units);
  let width = 1;
  let counter = shard.firstCounter;
  for (; width < shard.units; width *= 2, index = Math.floor(index / 2)) {
    const pairs = Math.ceil(shard.units / (2 * width));
    const sibling = index % 2 === 0 ? index + 1 : index - 1;
    const alone = sibling * width >= shard.units;
    const pair = counter + Math.floor(index / 2);
    counter += pairs;
    if (alone) continue;
    if (Atomics.add(station.control, pair, 1) === 0) return null;
    const left = Math.min(index, sibling) * width;
    const right = Math.max(index, sibling) * width;
    mergePartials(station, unitPartial(station, shard, left), unitPartial(station, shard, right));
  }
  return unitPartial(station, shard, 0);
}

/** Counters that `climb` needs for a shard of so many units. */
export function countersOf(units: number): number {
  let count = 0;
  for (let width = 1; width < units; width *= 2) count += Math.ceil(units / (2 * width));
  return count;
}

function finishShard(station: Station, leaf: LeafTask, shard: ShardTask, partial: number): Partial {
  const failure = readFailure(station, shard);
  if (failure !== null) return { kind: 'non-finite', leaf: leaf.id, group: 'tracers', ...failure };
  const gradient =
    station.task.want === 'gradient' ? sweepBackward(station, partial, leaf.id) : new Float64Array(0);
  return answerOf(station, leaf, partial, null, gradient);
}

function stackAt({ own }: Station, depth: number): number {
  const at = own.stack[depth];
  invariant(at !== undefined, 'the stack is as deep as the largest unit needs');
  return at;
}

function unitPartial({ map }: Station, shard: ShardTask, unit: number): number {
  const at = map.units[shard.firstPartial + unit];
  invariant(at !== undefined, 'every unit of a split shard has a partial');
  return at;
}

// --- failures ---------------------------------------------------------------------------------------------

/** Keeps the lowest (step, row) of a shard; failures are rare, so a lock will do. */
function recordFailure(station: Station, shard: ShardTask, failure: Failure): void {
  const { control } = station;
  while (Atomics.compareExchange(control, controlWords.lock, 0, 1) !== 0);
  const [at, known] = failureAt(station, shard);
  if (
    known === null ||
    failure.step < known.step ||
    (failure.step === known.step && failure.row < known.row)
  ) {
    at.set([1, failureKinds.indexOf(failure.what), failure.step, failure.row]);
  }
  Atomics.store(control, controlWords.lock, 0);
}

const readFailure = (station: Station, shard: ShardTask): Failure | null => failureAt(station, shard)[1];

function failureAt({ task }: Station, shard: ShardTask): readonly [Float64Array, Failure | null] {
  const at = new Float64Array(task.control, shard.failure, failureDoubles);
  const [present = 0, kind = 0, step = 0, row = 0] = at;
  return [at, present === 0 ? null : { what: failureKinds[kind] ?? 'state', step, row }];
}

/** What the contexts counted, by row function. */
function visitedRows({ plan, own, doubles }: Station): readonly Visited[] {
  const contexts = [
    [plan.tracers, own.tracers],
    [plan.sources, own.sources],
    [plan.scalars, own.scalars],
  ] as const;
  return contexts.flatMap(([group, address]) =>
    (group?.context.frames ?? []).map((f) => ({
      name: f.name,
      rows: doubles[(address + f.rowsVisited) >> 3] ?? 0,
    })),
  );
}
