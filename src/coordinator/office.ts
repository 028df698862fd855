/**
 * What does a coordinator hold of one run? The state, the answers of the stage, what leaves are given; and it performs what
 * `run-state.ts` decides.
 */
import { randomUUID } from 'node:crypto';
import { invariant, isSkewflowError, SkewflowError } from '../errors.ts';
import { errorOf, isFinal, reportOf } from '../exchange/error-report.ts';
import type { Desk, DeskEvent, Receipt, Standing } from '../exchange/exchange.ts';
import { blocksOf } from '../partition/plan.ts';
import type { Leaf } from '../partition/seats.ts';
import {
  type ErrorReport,
  type ParameterDigest,
  type Posting,
  protocolVersion,
  type RowsWanted,
  SeatId,
  type WorkerId,
} from '../protocol.ts';
import { Answers, type Entry, lossOf, sumEntries } from './answers.ts';
import {
  type Checkpoint,
  checkpointBytes,
  checkpointVersion,
  nothingCounted,
  partialBytes,
} from './checkpoint.ts';
import type { Coordination, Evaluated } from './coordinator.ts';
import type { Leg, Outcome } from './course.ts';
import { type Crew, nobody } from './crew.ts';
import { bytesOf, digestOf, type Given } from './given.ts';
import { Lap } from './lap.ts';
import { Ledger } from './ledger.ts';
import { factsOf, levelOf, type Notice, textOf } from './notice.ts';
import { adoptable, printOf } from './prints.ts';
import { plannedFrom, type RunEffect, type RunEvent, type RunState } from './run-events.ts';
import { decide } from './run-state.ts';
import { isCompared } from './second-opinions.ts';
import type { RunShape, Stage } from './stage.ts';

/** A checkpoint up to this size is kept whenever something is committed; a larger one when it is due by time. */
const smallBytes = 2 ** 20;

/** Who answered what a checkpoint brings; no seat has this name. */
const before = SeatId.parse('checkpoint');

/** What an office is made of. */
export interface Parts {
  readonly decide: typeof decide;
  readonly answersOf: (leaves: readonly Leaf[], entries: readonly Entry[], retain: boolean) => Answers;
}

const sound: Parts = {
  decide,
  answersOf: (leaves, entries, retain) => new Answers(leaves, entries, retain),
};

/** The desk of one run with everything on it. */
export class Office {
  readonly #run: Coordination;
  readonly #parts: Parts;
  readonly #shape: RunShape;
  readonly #entries: readonly Entry[];
  readonly #ledger: Ledger;
  readonly #holder = randomUUID();
  #desk: Desk;
  #state: RunState;
  #leg: Leg;
  #given: Given;
  #answers: Answers | null = null;
  /** Whose the answers of this stage are. */
  readonly #authors = new Map<Leaf, WorkerId | null>();
  /** The winning rows of phase `sums`: what phase `gradient` seeds for min and max. */
  #winners: Float64Array = new Float64Array(0);
  #evaluated: Pick<Evaluated, 'gradient' | 'loss' | 'sourceStates'> = {
    loss: null,
    gradient: new Float64Array(0),
    sourceStates: null,
  };
  /** The crew as it last was, for what is asked about it when the run is over. */
  #crew: Crew;
  /** What is there to be adopted when the first question is the one that was asked before. */
  #standing: Standing | null = null;
  #adopted: readonly Posting[] = [];
  /** The question that leaves are asked, or are about to be. */
  #asked: { readonly number: number; readonly stage: number; readonly digest: ParameterDigest };
  #keeping: Promise<void> = Promise.resolve();
  readonly #lap: Lap;

  /** @param parts - what decides and adds: the simulator's mutants replace it */
  constructor(run: Coordination, shape: RunShape, parts: Parts = sound) {
    this.#run = run;
    this.#parts = parts;
    this.#shape = shape;
    this.#desk = run.desk;
    this.#entries = sumEntries(run.program, run.grid);
    const blocks = run.shards.reduce((sum, shard) => sum + blocksOf(shard), 0);
    this.#leg = run.course.begin;
    this.#given = this.#givenAt(this.#leg);
    this.#lap = new Lap(run);
    const resume = run.resume;
    this.#ledger = new Ledger(blocks, resume?.counts ?? nothingCounted);
    this.#crew = resume === null ? nobody : crewOf(resume);
    const stage = resume !== null && resume.number === this.#leg.number ? this.#restore(resume) : 0;
    this.#state = plannedFrom(this.#leg.number, stage, this.#crew);
    this.#asked = { number: this.#leg.number, stage, digest: digestOf(this.#given) };
  }

  get desk(): Desk {
    return this.#desk;
  }

  /** Whether there is anything to wait for. */
  get going(): boolean {
    return this.#state.kind !== 'ended' && this.#state.kind !== 'dropped';
  }

  async begin(): Promise<void> {
    const standing = await this.#desk.standing();
    if (standing.end !== null) {
      throw new SkewflowError('ProtocolError', `the run has ended already: ${standing.end.kind}`);
    }
    this.#standing = standing;
    const unkept = await this.#secure();
    if (unkept !== undefined) return this.#feed(unkept);
    await this.tick();
    for (const join of standing.joins) await this.receive({ kind: 'joined', join });
    const { resume } = this.#run;
    await this.#feed({ kind: 'inputs', digest: digestOf(this.#given) });
    this.#standing = null;
    const kept = this.#resumable();
    if (resume !== null || standing.iteration !== null) {
      const answers = new Set([...kept.map(({ leaf }) => leaf), ...this.#adopted.map(({ leaf }) => leaf)])
        .size;
      this.#say({ code: 'RESUMING', number: this.#leg.number, answers });
    }
    await this.#adopt(kept);
  }

  async tick(): Promise<void> {
    await this.#feed({ kind: 'tick', now: this.#run.now() });
  }

  async cancel(): Promise<void> {
    await this.#feed({ kind: 'cancel' });
    await this.#kept();
  }

  async handOver(): Promise<void> {
    await this.#feed({ kind: 'hand-over' });
    await this.#kept();
  }

  async receive(event: DeskEvent): Promise<void> {
    switch (event.kind) {
      case 'beat':
        if (this.#ledger.beat(event.beat)) this.#run.onProgress(this.#ledger.progress());
        return this.#feed({ kind: 'beat', seat: event.beat.seat });
      case 'broke':
        return this.#feed({ ...event, final: isFinal(event.error) });
      case 'emptied':
      case 'left':
      case 'unreachable':
        return this.#feed(event);
      case 'fenced':
        return this.#feed({ kind: 'fenced', epoch: null });
      case 'joined':
        await this.#feed(event);
        if (this.#crew.members.has(event.join.seat)) this.#ledger.joined(event.join);
        return;
      case 'posted':
        return this.#post(event.posting);
    }
  }

  /** What the run came to; throws what it failed for. */
  result(): Evaluated {
    const state = this.#state;
    invariant(
      state.kind === 'ended' || state.kind === 'dropped',
      'a result is asked for when the run is over',
    );
    const iteration = this.#leg.number;
    if (state.kind === 'dropped') {
      const why = state.why === 'fenced' ? 'a later coordinator holds the run' : 'the run was handed over';
      throw new SkewflowError('AbortedError', why, { why: state.why, iteration });
    }
    if (state.end.kind === 'failed') throw errorOf(state.end.error);
    if (state.end.kind === 'cancelled') {
      throw new SkewflowError('AbortedError', 'the run was cancelled', { why: 'cancelled', iteration });
    }
    return this.#outcome();
  }

  #outcome(): Evaluated {
    const { pairs, bytes, published, iterations, workersLost, redone, seats } = this.#ledger.counts();
    return {
      ...this.#evaluated,
      iterations,
      workersLost,
      redone,
      seats,
      pairs,
      joins: this.#ledger.joins(),
      numerics: this.#crew.classes,
      bytesPerIteration: bytes / Math.max(1, published),
    };
  }

  /** Everything that has to outlive this process is written before seats hear that the run is over. */
  async #finish(): Promise<void> {
    await this.#kept();
    await this.#run.finish(this.#outcome());
  }

  // --- taking up --------------------------------------------------------------------------------------------

  /** The answers that were kept for the question that is asked first. */
  #resumable(): Checkpoint['answers'] {
    const { resume } = this.#run;
    const { number, stage, digest } = this.#asked;
    const same = resume?.number === number && resume.stage === stage && resume.digest === digest;
    return same ? resume.answers : [];
  }

  /** Put back what the stages of this iteration before gave; returns the stage. */
  #restore({ stage, sums, seeds, winners, loss, gradient, sourceStates }: Checkpoint): number {
    this.#given = { ...this.#given, sums, seeds };
    this.#winners = winners;
    this.#evaluated = { loss, gradient, sourceStates };
    return stage;
  }

  /** Take what was answered before as if it came now. */
  async #adopt(kept: Checkpoint['answers']): Promise<void> {
    const postings = this.#adopted;
    this.#adopted = [];
    const copies = new Map<Leaf, number>();
    for (const { leaf, copy } of postings) copies.set(leaf, Math.max(copies.get(leaf) ?? 0, copy));
    await this.#feed({ kind: 'adopted', copies });
    const question = this.#question();
    for (const { leaf, answer, worker } of question === null ? [] : kept) {
      await this.#post({ ...(question as Question), seat: before, leaf, copy: 0, answer }, worker);
    }
    for (const posting of postings) await this.#post(posting);
  }

  #question(): Question | null {
    const state = this.#state;
    if (state.kind !== 'asking') return null;
    const { number, asked, digest } = state;
    const { run } = this.#desk;
    return { protocolVersion, run, number, phase: asked.phase, parameterDigest: digest };
  }

  // --- events ---------------------------------------------------------------------------------------------

  #post(posting: Posting, worker = this.#ledger.workerAt(posting.seat)): Promise<void> {
    const { seat, leaf, copy, answer, number, phase, parameterDigest } = posting;
    const fault = answer.kind === 'non-finite' ? answer : null;
    const place = { number, phase, leaf, copy };
    const print = isCompared(this.#shape, place) ? printOf(answer) : null;
    return this.#feed(
      { kind: 'posted', seat, worker, ...place, digest: parameterDigest, fault, print },
      () => {
        if (answer.kind === 'non-finite') return;
        this.#ledger.answered(partialBytes(answer));
        this.#answers?.put(leaf, answer);
        this.#authors.set(leaf, worker);
        const { log, desk } = this.#run;
        const facts = { run: desk.run, seat, iteration: number + 1, phase, shard: leaf };
        log.debug({ ...facts, doing: 'answer' }, `took the answer of ${leaf}`);
      },
    );
  }

  #say(notice: Notice): void {
    const { shards, log, onNotice } = this.#run;
    const text = textOf(notice, (leaf) => `rows ${shards[leaf]?.begin}..${(shards[leaf]?.end ?? 1) - 1}`);
    const level = levelOf(notice);
    this.#ledger.told(notice);
    const asking = this.#state.kind === 'asking' ? this.#state : null;
    const where = asking === null ? {} : { iteration: asking.number, phase: asking.asked.phase };
    const what = 'leaves' in notice ? { leaves: notice.leaves } : {};
    log[level]({ run: this.#desk.run, code: notice.code, ...where, ...what, ...factsOf(notice) }, text);
    onNotice({ level, text, notice, seats: this.#crew.members.size, counts: this.#ledger.counts() });
  }

  // --- decisions and effects ------------------------------------------------------------------------------

  /** Feed one event and everything that follows from its effects; `keep` keeps the answer the event brought. */
  async #feed(event: RunEvent, keep: () => void = () => {}): Promise<void> {
    const { state, effects } = this.#parts.decide(this.#shape, this.#state, event);
    this.#state = state;
    if (state.kind !== 'ended' && state.kind !== 'dropped') this.#crew = state.crew;
    for (const effect of effects) {
      const next = effect.kind === 'keep' ? keep() : await this.#perform(effect);
      if (next === undefined) continue;
      await this.#feed(next);
      // Whatever else was decided was decided for a run that goes on.
      if (!this.going) return;
    }
  }

  /** Perform an effect; returns what follows from it at once. */
  async #perform(effect: Exclude<RunEffect, { kind: 'keep' }>): Promise<RunEvent | undefined> {
    const desk = this.#desk;
    const envelope = { protocolVersion, run: desk.run, epoch: desk.epoch } as const;
    switch (effect.kind) {
      case 'add':
        this.#lap.answered(effect.number, effect.stage.phase);
        return this.#add(effect.stage);
      case 'assign': {
        const { generation, leaves, again } = effect;
        const plan = { ...envelope, generation, leaves: new Map(leaves), again: new Map(again) };
        return this.#fencedIf(await desk.assign(plan));
      }
      case 'checkpoint':
        return this.#keep(effect.due);
      case 'dismiss':
        return this.#fencedIf(await desk.dismiss(effect.seat, effect.error));
      case 'end':
        if (effect.end.kind === 'done') await this.#finish();
        return this.#fencedIf(await desk.end(effect.end));
      case 'fault':
        return this.#goOn({ kind: 'not-finite', error: this.#inTime(effect.error) });
      case 'publish':
        return this.#publish(effect);
      case 'reopen':
        return this.#reopen();
      case 'restart':
        this.#given = this.#givenAt(this.#leg);
        this.#answers = null;
        return { kind: 'inputs', digest: digestOf(this.#given) };
      case 'say':
        this.#say(effect.notice);
        return undefined;
      case 'withdraw':
        this.#answers?.withdraw(effect.leaves);
        return undefined;
    }
  }

  async #publish({
    number,
    stage,
    digest,
  }: Extract<RunEffect, { kind: 'publish' }>): Promise<RunEvent | undefined> {
    const { times, fields, sums, seeds } = this.#given;
    const question = { number, phase: stage.phase, parameterDigest: digest };
    const index = this.#state.kind === 'asking' ? this.#state.stage : 0;
    const { number: n, stage: i, digest: d } = this.#asked;
    const again = this.#answers !== null && n === number && i === index && d === digest;
    this.#asked = { number, stage: index, digest };
    if (!again) {
      this.#answers = this.#parts.answersOf(stage.leaves, this.#entries, this.#run.retain);
      this.#ledger.published(number, stage.phase, bytesOf(this.#given));
    }
    this.#adopted = adoptable(this.#standing, question);
    if (this.#adopted.length > 0) {
      this.#lap.published();
      return undefined;
    }
    const rows = stage.rows && this.#leg.last ? this.#run.rows : noRows;
    const envelope = { protocolVersion, run: this.#desk.run, epoch: this.#desk.epoch } as const;
    const message = { ...envelope, ...question, rows, times, fields: new Map(fields), sums, seeds };
    const receipt = await this.#desk.publish(message);
    if (!again) this.#lap.published();
    return this.#fencedIf(receipt);
  }

  async #reopen(): Promise<RunEvent | undefined> {
    const { reopen } = this.#run;
    if (reopen !== null) {
      this.#desk = await reopen(this.#desk.epoch);
      return this.#secure();
    }
    const message = 'the store lost the run, and this coordinator cannot open it again';
    return { kind: 'stuck', error: { tag: 'OutOfReachError', message, details: {} } };
  }

  /** A later coordinator holds the run; which one, if that can be told. */
  async #fencedIf(receipt: Receipt): Promise<RunEvent | undefined> {
    if (receipt !== 'fenced') return undefined;
    const epoch = (await this.#desk.standing()).iteration?.epoch ?? 0;
    return { kind: 'fenced', epoch: epoch > this.#desk.epoch ? epoch : null };
  }

  // --- checkpoints ------------------------------------------------------------------------------------------

  /** Keep a checkpoint beside the work; the one before has to be kept first, so that a full disk stops a run. */
  async #keep(due: boolean): Promise<RunEvent | undefined> {
    const { keep } = this.#run;
    if (keep === null) return undefined;
    const checkpoint = this.#checkpoint();
    if (!due && checkpointBytes(checkpoint) > smallBytes) return undefined;
    try {
      await this.#keeping;
    } catch (error) {
      return notKept(error);
    }
    this.#keeping = keep(checkpoint);
    // Its failure is met by whoever waits for it next.
    this.#keeping.catch(() => {});
    return undefined;
  }

  /** Nothing is said under an epoch that is not on the disk: a store that forgot it would give it to another. */
  async #secure(): Promise<RunEvent | undefined> {
    const { keep } = this.#run;
    try {
      await this.#keeping;
      await keep?.(this.#checkpoint());
      return undefined;
    } catch (error) {
      return notKept(error);
    }
  }

  async #kept(): Promise<void> {
    await this.#keeping;
  }

  #checkpoint(): Checkpoint {
    const { sums, seeds } = this.#given;
    const { numerics, classes, quarantined, dismissed } = this.#crew;
    return {
      version: checkpointVersion,
      epoch: this.#desk.epoch,
      holder: this.#holder,
      ...this.#asked,
      sums,
      seeds,
      winners: this.#winners,
      ...this.#evaluated,
      course: this.#run.course.record(),
      answers: this.#answers === null ? this.#resumable() : this.#keptAnswers(this.#answers),
      numerics,
      classes,
      quarantined: [...quarantined],
      dismissed: [...dismissed],
      counts: this.#ledger.counts(),
    };
  }

  #keptAnswers(answers: Answers): Checkpoint['answers'] {
    return [...answers.kept()].map(([leaf, answer]) => ({
      leaf,
      answer,
      worker: this.#authors.get(leaf) ?? null,
    }));
  }

  // --- adding -----------------------------------------------------------------------------------------------

  /** Add a stage's answers; what they come to is what the next stage is given, or the result. */
  async #add({ phase }: Stage): Promise<RunEvent> {
    invariant(this.#answers !== null, 'a stage is published before it is added');
    const { sums, winners, loss, gradient, seeds, sourceStates } = this.#answers.total();
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
      this.#run.onCommit({
        iteration: this.#leg.number + 1,
        loss: outcome.kind === 'finite' ? outcome.loss : null,
        seats: this.#crew.members.size,
        counts: this.#ledger.counts(),
      });
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

/** What a posting says it answers. */
type Question = Pick<Posting, 'number' | 'parameterDigest' | 'phase' | 'protocolVersion' | 'run'>;

const noRows: RowsWanted = { gradient: [], final: false, trajectory: [], values: false };

const sentences = {
  gradient: 'the gradient stopped being finite in the backward sweep',
  loss: 'a term of the loss is not finite',
  state: 'a trajectory stopped being finite; take smaller steps or look at the flow there',
} as const;

function notFinite(total: number): ErrorReport {
  return { tag: 'NonFiniteError', message: `the loss is not finite: ${total}`, details: { what: 'loss' } };
}

/** Another coordinator has kept a checkpoint that this one must not replace, or nothing can be kept at all. */
function notKept(error: unknown): RunEvent {
  return isSkewflowError(error, 'AbortedError')
    ? { kind: 'fenced', epoch: null }
    : { kind: 'stuck', error: reportOf(error) };
}

/** The crew that a checkpoint remembers: nobody, but whom to take and whom not. */
function crewOf({ numerics, classes, quarantined, dismissed }: Checkpoint): Crew {
  return {
    ...nobody,
    numerics,
    classes,
    quarantined: new Set(quarantined),
    dismissed: new Set(dismissed),
  };
}
