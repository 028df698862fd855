/**
 * How is a run carried through? Performs what `run-state.ts` decides: publishes iterations, assigns leaves, keeps the
 * first answer of each, adds them in the fixed order, asks on with the sums, and goes where the run's course leads.
 */
import { invariant, SkewflowError } from '../errors.ts';
import { errorOf, isFinal, reportOf } from '../exchange/error-report.ts';
import type { Desk, DeskEvent, Receipt } from '../exchange/exchange.ts';
import type { Grid, Program } from '../kernels/sweep/program.ts';
import type { Log } from '../log.ts';
import { blocksOf, type ShardRange } from '../partition/plan.ts';
import {
  type Beat,
  type ErrorReport,
  type Join,
  type LeafPartial,
  type Phase,
  type Posting,
  protocolVersion,
  type RowsWanted,
  type RunEnd,
  type SeatId,
} from '../protocol.ts';
import { type Added, Adder, type Entry, lossOf, sumEntries } from './answers.ts';
import type { Course, Leg, Outcome } from './course.ts';
import { bytesOf, digestOf, type Given } from './given.ts';
import {
  decide,
  plannedFrom,
  type RunEffect,
  type RunEvent,
  type RunShape,
  type RunState,
  type Stage,
  stillOpen,
} from './run-state.ts';

/** What a run is made of. */
export interface Coordination {
  readonly desk: Desk;
  readonly program: Program;
  readonly grid: Grid;
  /** The steps the sources accepted; null when the job fixes the grid. */
  readonly times: Float64Array | null;
  /** Where the run is evaluated: at one point, or where an optimiser leads. */
  readonly course: Course;
  readonly shards: readonly ShardRange[];
  /** N-sized results and states of the sources that the last evaluation leaves. */
  readonly rows: RowsWanted;
  /** Seats that may break before the run fails. */
  readonly breakagesMax: number;
  readonly log: Log;
  readonly onProgress: (progress: Progress) => void;
  /** Aborting cancels the run. */
  readonly signal: AbortSignal;
}

/** How far a run is. Blocks of 256 rows are counted over all seats, once for the phase that is going on. */
export interface Progress {
  readonly phase: Phase;
  readonly iteration: number;
  readonly blocksDone: number;
  readonly blocksTotal: number;
}

/** The last evaluation of the loss and its gradient, and what the run took. */
export interface Evaluated {
  /** L; null when the job has no loss. */
  readonly loss: number | null;
  /** In the order of `program.layout.gradient`; empty when no gradient is wanted. */
  readonly gradient: Float64Array;
  /** One M × e block a wanted state of the sources, the end time first; null when none is wanted. */
  readonly sourceStates: Float64Array | null;
  /** Evaluations of the whole run, those before it was taken up again included. */
  readonly iterations: number;
  readonly joins: readonly Join[];
  readonly workersLost: number;
  /** Leaves assigned again after their seat was lost. */
  readonly redone: number;
  /** Own row × bound row visits. */
  readonly pairs: number;
  /** Bytes that leaves were given and answered with, an iteration. */
  readonly bytesPerIteration: number;
}

/**
 * Carry one run through.
 *
 * @throws NonFiniteError naming the first step, time, group and row where a value stopped being finite
 * @throws AbortedError when the signal aborted, or a later coordinator took the run over
 * @throws what a worker could not go on for, under its own tag
 */
export async function coordinate(run: Coordination): Promise<Evaluated> {
  const office = new Office(run);
  await office.begin();
  while (office.end === null) {
    for (const event of await eventsOr(run, () => office.cancel())) await office.receive(event);
  }
  return office.result();
}

/** The next events, or none when the run's signal aborted and `cancel` has been performed. */
async function eventsOr(run: Coordination, cancel: () => Promise<void>): Promise<readonly DeskEvent[]> {
  try {
    return await run.desk.events(run.signal);
  } catch (error) {
    if (!run.signal.aborted) throw error;
    await cancel();
    return [];
  }
}

/** What kind of run this is, as far as deciding goes. */
export function shapeOf(run: Pick<Coordination, 'breakagesMax' | 'program' | 'rows' | 'shards'>): RunShape {
  const { program, rows, shards } = run;
  const states = (rows.final || rows.trajectory.length > 0) && (program.sources?.stateComponents ?? 0) > 0;
  return {
    shards: shards.length,
    sourcesLeaf: states || shards.length === 0 || program.terms.some((term) => term.scalar !== null),
    // Without tracers there is no S: whatever h is, one phase evaluates it.
    phases: shards.length === 0 ? 1 : program.phases,
    gradient: program.wants.any,
    breakagesMax: run.breakagesMax,
  };
}

/** Blocks and pairs of one seat, as it last said. */
interface Tally {
  readonly join: Join;
  blocks: number;
  pairs: number;
  /** Blocks it had done when the current phase was asked. */
  blocksBefore: number;
}

/** The desk of one run with everything on it: the state, the answers so far, and what is counted. */
class Office {
  readonly #run: Coordination;
  readonly #shape: RunShape;
  readonly #entries: readonly Entry[];
  readonly #blocksTotal: number;
  readonly #tallies = new Map<SeatId, Tally>();
  #state: RunState;
  #leg: Leg;
  #given: Given;
  #adder: Adder | null = null;
  #phase: Phase = 'sums';
  /** The winning rows of phase `sums`: what phase `gradient` seeds for min and max. */
  #winners: Float64Array = new Float64Array(0);
  #bytes = 0;
  /** Iterations that were published here. */
  #published = 0;
  #evaluated: Omit<Evaluated, 'bytesPerIteration' | 'joins' | 'pairs'> = {
    loss: null,
    gradient: new Float64Array(0),
    sourceStates: null,
    iterations: 0,
    workersLost: 0,
    redone: 0,
  };

  constructor(run: Coordination) {
    this.#run = run;
    this.#shape = shapeOf(run);
    this.#entries = sumEntries(run.program, run.grid);
    this.#blocksTotal = run.shards.reduce((blocks, shard) => blocks + blocksOf(shard), 0);
    this.#leg = run.course.begin;
    this.#state = plannedFrom(this.#leg.number);
    this.#given = this.#givenAt(this.#leg);
  }

  get end(): RunEnd | null {
    return this.#state.kind === 'ended' ? this.#state.end : null;
  }

  begin(): Promise<void> {
    return this.#feed({ kind: 'inputs', digest: digestOf(this.#given) });
  }

  cancel(): Promise<void> {
    return this.#feed({ kind: 'cancel' });
  }

  async receive(event: DeskEvent): Promise<void> {
    switch (event.kind) {
      case 'beat':
        this.#count(event.beat);
        return;
      case 'broke':
        this.#lose();
        return this.#feed({
          kind: 'broke',
          seat: event.seat,
          error: event.error,
          final: isFinal(event.error),
        });
      case 'joined':
        this.#tallies.set(event.join.seat, { join: event.join, blocks: 0, pairs: 0, blocksBefore: 0 });
        return this.#feed({ kind: 'joined', seat: event.join.seat });
      case 'left':
        if (event.lost) this.#lose();
        return this.#feed({ kind: 'left', seat: event.seat });
      case 'posted':
        return this.#post(event.posting);
    }
  }

  /** What the run came to; throws what it failed for. */
  result(): Evaluated {
    const { end } = this;
    invariant(end !== null, 'a result is asked for when the run has ended');
    if (end.kind === 'failed') throw errorOf(end.error);
    if (end.kind === 'cancelled') throw new SkewflowError('AbortedError', 'the run was cancelled');
    const tallies = [...this.#tallies.values()];
    return {
      ...this.#evaluated,
      joins: tallies.map(({ join }) => join),
      pairs: tallies.reduce((pairs, tally) => pairs + tally.pairs, 0),
      bytesPerIteration: this.#bytes / this.#published,
    };
  }

  // --- events ---------------------------------------------------------------------------------------------

  #post({ leaf, answer, number, phase, parameterDigest }: Posting): Promise<void> {
    const fault = answer.kind === 'non-finite' ? answer : null;
    return this.#feed({ kind: 'posted', number, phase, digest: parameterDigest, leaf, fault }, () => {
      if (answer.kind === 'non-finite') return;
      this.#bytes += answerBytes(answer);
      this.#adder?.put(leaf, answer);
    });
  }

  #count({ seat, blocks, pairs }: Beat): void {
    const tally = this.#tallies.get(seat);
    if (tally === undefined) return;
    tally.blocks = blocks;
    tally.pairs = pairs;
    const done = [...this.#tallies.values()].reduce((sum, t) => sum + t.blocks - t.blocksBefore, 0);
    this.#run.onProgress({
      phase: this.#phase,
      iteration: this.#evaluated.iterations,
      // A seat that was lost may have done blocks that another did again.
      blocksDone: Math.min(done, this.#blocksTotal),
      blocksTotal: this.#blocksTotal,
    });
  }

  #lose(): void {
    this.#evaluated = { ...this.#evaluated, workersLost: this.#evaluated.workersLost + 1 };
  }

  // --- decisions and effects ------------------------------------------------------------------------------

  /** Feed one event and everything that follows from its effects; `keep` keeps the answer the event brought. */
  async #feed(event: RunEvent, keep: () => void = () => {}): Promise<void> {
    const before = this.#state;
    const { state, effects } = decide(this.#shape, before, event);
    this.#state = state;
    this.#evaluated = { ...this.#evaluated, redone: this.#evaluated.redone + this.#redoneBy(before, event) };
    for (const effect of effects) {
      const next = effect.kind === 'keep' ? keep() : await this.#perform(effect);
      if (next !== undefined) await this.#feed(next);
    }
  }

  /** Leaves that have to be done again because their seat is gone. */
  #redoneBy(state: RunState, event: RunEvent): number {
    return event.kind === 'left' || event.kind === 'broke' ? stillOpen(this.#shape, state, event.seat) : 0;
  }

  /** Perform an effect; returns what follows from it at once. */
  async #perform(effect: Exclude<RunEffect, { kind: 'keep' }>): Promise<RunEvent | undefined> {
    const { desk, log } = this.#run;
    const envelope = { protocolVersion, run: desk.run, epoch: desk.epoch } as const;
    switch (effect.kind) {
      case 'add':
        return this.#add(effect.stage);
      case 'assign':
        return fencedIf(
          await desk.assign({
            ...envelope,
            generation: effect.generation,
            leaves: new Map(effect.leaves),
            again: new Map(),
          }),
        );
      case 'end':
        return fencedIf(await desk.end(effect.end));
      case 'fault':
        return this.#goOn({ kind: 'not-finite', error: this.#inTime(effect.error) });
      case 'publish': {
        const { number, stage, digest } = effect;
        // Later phases of an iteration have its number.
        if (number >= this.#evaluated.iterations) this.#published += 1;
        this.#adder = new Adder(stage.leaves, this.#entries);
        this.#phase = stage.phase;
        this.#evaluated = { ...this.#evaluated, iterations: number + 1 };
        this.#bytes += bytesOf(this.#given);
        for (const tally of this.#tallies.values()) tally.blocksBefore = tally.blocks;
        const { times, fields, sums, seeds } = this.#given;
        const rows = stage.rows && this.#leg.last ? this.#run.rows : noRows;
        const message = { ...envelope, number, phase: stage.phase, parameterDigest: digest, rows };
        return fencedIf(await desk.publish({ ...message, times, fields: new Map(fields), sums, seeds }));
      }
      case 'say':
        log.warn({ run: desk.run }, effect.text);
        return undefined;
    }
  }

  /** Add a stage's answers; what they come to is what the next stage is given, or the result. */
  async #add({ phase }: Stage): Promise<RunEvent> {
    const { sums, winners, loss, gradient, seeds, sourceStates } = this.#total();
    const twoPhases = this.#shape.phases === 2;
    const outcome = { ...this.#evaluated, sourceStates: sourceStates ?? this.#evaluated.sourceStates };
    if (twoPhases && phase === 'sums') {
      this.#winners = winners;
      this.#given = { ...this.#given, sums };
      return { kind: 'inputs', digest: digestOf(this.#given) };
    }
    if (twoPhases && phase === 'gradient') {
      this.#evaluated = { ...outcome, gradient };
      return this.#goOn({ kind: 'finite', loss: outcome.loss, gradient });
    }
    const total = lossOf(this.#entries, twoPhases ? (this.#given.sums ?? sums) : sums, loss);
    if (!Number.isFinite(total)) return this.#goOn({ kind: 'not-finite', error: notFinite(total) });
    const hasLoss = this.#run.program.terms.length > 0;
    const value = hasLoss ? total : null;
    this.#evaluated = { ...outcome, loss: value, gradient };
    if (!twoPhases || !this.#shape.gradient) return this.#goOn({ kind: 'finite', loss: value, gradient });
    invariant(seeds !== null, 'the run’s own leaf answers ∂h/∂S in phase head');
    this.#given = { ...this.#given, seeds: { values: seeds, winners: this.#winners } };
    return { kind: 'inputs', digest: digestOf(this.#given) };
  }

  /** Ask the course where to go from here. */
  async #goOn(outcome: Outcome): Promise<RunEvent> {
    try {
      const leg = await this.#run.course.next(outcome);
      if (leg === null) return { kind: 'settled' };
      this.#leg = leg;
      this.#given = this.#givenAt(leg);
      return { kind: 'move', digest: digestOf(this.#given) };
    } catch (error) {
      return { kind: 'stuck', error: reportOf(error) };
    }
  }

  #givenAt({ fields }: Leg): Given {
    return { times: this.#run.times, fields, sums: null, seeds: null };
  }

  #total(): Added {
    invariant(this.#adder !== null, 'a stage is published before it is added');
    return this.#adder.total();
  }

  /** A fault as the user reads it: with the time of its step. */
  #inTime(report: ErrorReport): ErrorReport {
    const { group, what, row, step } = report.details;
    if (report.tag !== 'NonFiniteError' || typeof step !== 'number') return report;
    const time = this.#run.grid.times[step] ?? null;
    const where = `${group === 'sources' ? 'source' : 'tracer'} row ${row} at step ${step} (t = ${time})`;
    const message = `${sentences[what as keyof typeof sentences] ?? 'a value is not finite'}: first ${where}`;
    return { ...report, message, details: { ...report.details, time } };
  }
}

const noRows: RowsWanted = { gradient: [], final: false, trajectory: [], values: false };

const sentences = {
  gradient: 'the gradient stopped being finite in the backward sweep',
  loss: 'a term of the loss is not finite',
  state: 'a trajectory stopped being finite; take smaller steps or look at the flow there',
} as const;

function notFinite(total: number): ErrorReport {
  return { tag: 'NonFiniteError', message: `the loss is not finite: ${total}`, details: { what: 'loss' } };
}

function fencedIf(receipt: Receipt): RunEvent | undefined {
  return receipt === 'fenced' ? { kind: 'fenced' } : undefined;
}

function answerBytes({ sums, winners, gradient, seeds, sourceStates }: LeafPartial): number {
  return [sums, winners, gradient, seeds, sourceStates].reduce(
    (bytes, array) => bytes + (array?.byteLength ?? 0),
    0,
  );
}
