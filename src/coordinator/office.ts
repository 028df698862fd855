/**
 * What does a coordinator do with what it hears of one run? It has `run-state.ts` decide, and performs that: says it to seats,
 * to those who watch, and to whoever keeps it.
 *
 * The numbers are on the worksheet, the counts in the ledger, what outlives the process with the keeper.
 */
import { randomUUID } from 'node:crypto';
import { isFinal, reportOf } from '../exchange/error-report.ts';
import type { Desk, DeskEvent, Standing } from '../exchange/exchange.ts';
import { blocksOf } from '../partition/plan.ts';
import { leavesText } from '../partition/seats.ts';
import type { Join, ParameterDigest, Posting, RowsWanted } from '../protocol.ts';
import {
  type Checkpoint,
  checkpointVersion,
  type KeptAnswer,
  nothingCounted,
  partialBytes,
} from './checkpoint.ts';
import type { Coordination, Evaluated } from './coordinator.ts';
import type { Outcome } from './course.ts';
import type { Crew } from './crew.ts';
import { Dispatch } from './dispatch.ts';
import { endedBefore, failureOf } from './endings.ts';
import { inTime } from './faults.ts';
import { bytesOf, digestOf } from './given.ts';
import { Keeper } from './keeper.ts';
import { Lap } from './lap.ts';
import { Ledger } from './ledger.ts';
import { factsOf, levelOf, type Notice, textOf } from './notice.ts';
import { postedOf } from './posted.ts';
import { plannedFrom, type RunEvent, type RunState } from './run-events.ts';
import { decide } from './run-state.ts';
import type { RunShape, Stage } from './stage.ts';
import {
  before,
  copiesOf,
  crewOf,
  Legacy,
  leavesAnswered,
  questionOf,
  remembered,
  resumable,
} from './takeover.ts';
import { type Act, inOneTrip, type Publication } from './trips.ts';
import { type AnswersOf, answersOf, Worksheet } from './worksheet.ts';

/** What an office is made of. */
export interface Parts {
  readonly decide: typeof decide;
  readonly answersOf: AnswersOf;
}

const sound: Parts = { decide, answersOf };

/** The desk of one run with everything on it. */
export class Office {
  readonly #run: Coordination;
  readonly #parts: Parts;
  readonly #shape: RunShape;
  readonly #sheet: Worksheet;
  readonly #ledger: Ledger;
  readonly #keeper: Keeper;
  readonly #dispatch: Dispatch;
  readonly #lap: Lap;
  readonly #holder = randomUUID();
  #state: RunState;
  /** The crew as it last was, for what is asked about it when the run is over. */
  #crew: Crew;
  /** What is there to be adopted when the first question is the one that was asked before. */
  readonly #legacy = new Legacy();
  /** The question that leaves are asked, or are about to be. */
  #asked: { readonly number: number; readonly stage: number; readonly digest: ParameterDigest };

  /** @param parts - what decides and adds: the simulator's mutants replace it */
  constructor(run: Coordination, shape: RunShape, parts: Parts = sound) {
    const { resume } = run;
    const blocks = run.shards.reduce((sum, shard) => sum + blocksOf(shard), 0);
    const { number } = run.course.begin;
    this.#run = run;
    this.#parts = parts;
    this.#shape = shape;
    this.#sheet = new Worksheet(run, shape, parts.answersOf);
    this.#ledger = new Ledger(blocks, resume?.counts ?? nothingCounted);
    this.#keeper = new Keeper(run.keep);
    this.#dispatch = new Dispatch(run);
    this.#lap = new Lap(run);
    this.#crew = crewOf(resume);
    const within = resume !== null && resume.number === number ? resume : null;
    if (within !== null) this.#sheet.restore(within);
    const stage = within?.stage ?? 0;
    this.#state = plannedFrom(number, stage, this.#crew);
    this.#asked = { number, stage, digest: digestOf(this.#sheet.given) };
  }

  get desk(): Desk {
    return this.#dispatch.desk;
  }

  /** Whether there is anything to wait for. */
  get going(): boolean {
    return this.#state.kind !== 'ended' && this.#state.kind !== 'dropped';
  }

  /** How long seats may wait for the newest plan; Infinity: they have it. */
  get planDueMs(): number {
    return this.#dispatch.planDueMs(this.#crew.members.size);
  }

  async begin(): Promise<void> {
    const standing = await this.desk.standing();
    if (standing.end !== null) throw endedBefore(standing.end, this.#sheet.leg.number);
    this.#legacy.found(standing);
    const unkept = await this.#secure();
    if (unkept !== undefined) {
      await this.#feed(unkept);
      return;
    }
    await this.tick();
    await this.#greet(standing);
    const { resume } = this.#run;
    await this.#feed({ kind: 'inputs', digest: digestOf(this.#sheet.given) });
    this.#legacy.close();
    const kept = resumable(resume, this.#asked);
    if (resume !== null || standing.iteration !== null) {
      const answers = leavesAnswered([...kept, ...this.#legacy.postings]);
      this.#say({ code: 'RESUMING', number: this.#sheet.leg.number, answers });
    }
    await this.#adopt(kept);
    await this.#tellPlan();
  }

  async tick(): Promise<void> {
    await this.#feed({ kind: 'tick', now: this.#run.now() });
    await this.#tellPlan();
  }

  async cancel(): Promise<void> {
    await this.#feed({ kind: 'cancel' });
    await this.#keeper.kept();
  }

  async handOver(): Promise<void> {
    await this.#feed({ kind: 'hand-over' });
    await this.#keeper.kept();
  }

  /** What happened, in order; seats are told of the plan that comes of all of it. */
  async receive(events: readonly DeskEvent[]): Promise<void> {
    for (const event of events) {
      const more = this.#receive(event);
      // A turn of the microtask queue for each of hundreds of answers would take as long as to add them.
      if (more !== null) await more;
    }
    await this.#tellPlan();
  }

  #receive(event: DeskEvent): Promise<void> | null {
    switch (event.kind) {
      case 'beat':
        if (this.#ledger.beat(event.beat)) this.#run.onProgress(this.#ledger.progress());
        return this.#feed({ kind: 'beat', seat: event.beat.seat, waits: event.beat.waits ?? null });
      case 'broke':
        return this.#feed({ ...event, final: isFinal(event.error) });
      case 'emptied':
        return this.#emptied(event);
      case 'left':
      case 'unreachable':
        return this.#feed(event);
      case 'fenced':
        return this.#feed({ kind: 'fenced', epoch: null });
      case 'joined':
        return this.#joined(event.join);
      case 'posted':
        return this.#post(event.posting);
    }
  }

  async #joined(join: Join): Promise<void> {
    await this.#feed({ kind: 'joined', join });
    if (this.#crew.members.has(join.seat)) this.#ledger.joined(join);
  }

  async #greet({ joins, quiet }: Pick<Standing, 'joins' | 'quiet'>): Promise<void> {
    for (const join of joins) await this.#joined(join);
    for (const [seat, forMs] of quiet) await this.#feed({ kind: 'quiet', seat, forMs });
  }

  /** What the run came to; throws what it failed for. */
  result(): Evaluated {
    const failure = failureOf(this.#state, this.#sheet.leg.number);
    if (failure !== null) throw failure;
    return this.#outcome();
  }

  #outcome(): Evaluated {
    return { ...this.#sheet.findings, ...this.#ledger.summary(), numerics: this.#crew.classes };
  }

  /** Everything that has to outlive this process is written before seats hear that the run is over. */
  async #finish(): Promise<void> {
    await this.#keeper.kept();
    await this.#run.finish(this.#outcome());
  }

  // --- taking up --------------------------------------------------------------------------------------------

  /** Take what was answered before as if it came now. */
  async #adopt(kept: readonly KeptAnswer[]): Promise<void> {
    const { postings, refused } = this.#legacy.take();
    if (kept.length === 0 && postings.length === 0 && refused.length === 0) return;
    const copies = copiesOf([...postings, ...refused]);
    await this.#feed({ kind: 'adopted', copies, refused: [] });
    const question = questionOf(this.#state, this.desk.run);
    if (question !== null) {
      for (const answered of kept)
        await this.#post({ ...question, seat: before, ...answered, copy: 0, tookMs: 0 });
    }
    for (const posting of postings) await this.#post(posting);
    // Leaves were given out before it was known which of them are answered.
    await this.#feed({ kind: 'adopted', copies, refused: [...copiesOf(refused).keys()] });
  }

  async #reopen(): Promise<RunEvent | undefined> {
    const next = await this.#dispatch.reopen();
    if (next !== undefined) return next;
    this.#legacy.found(await this.desk.standing());
    return this.#secure();
  }

  /** Somebody else may have been sooner to open the run again: seats may have been taken since, and leaves answered. */
  async #emptied(event: Extract<DeskEvent, { kind: 'emptied' }>): Promise<void> {
    await this.#feed(event);
    const standing = this.#legacy.close();
    if (standing === null || !this.going) return;
    await this.#greet(standing);
    await this.#adopt([]);
  }

  // --- events ---------------------------------------------------------------------------------------------

  #post(posting: Posting): Promise<void> | null {
    return this.#feed(postedOf(this.#shape, posting), posting);
  }

  #keep(posting: Posting | null): undefined {
    if (posting === null || posting.answer.kind === 'non-finite') return;
    const { seat, worker, numerics, leaf, count, answer, number, phase } = posting;
    this.#ledger.answered(partialBytes(answer));
    this.#sheet.put({ leaf, count, answer, worker, numerics });
    const shards = leavesText(leaf, count);
    const facts = { run: this.desk.run, seat, iteration: number + 1, phase, doing: 'answer', shards };
    this.#run.log.debug(facts, `took the answer of ${shards}`);
  }

  #say(notice: Notice): void {
    const { shards, log, onNotice } = this.#run;
    const text = textOf(notice, (leaf) => `rows ${shards[leaf]?.begin}..${(shards[leaf]?.end ?? 1) - 1}`);
    const level = levelOf(notice);
    this.#ledger.told(notice);
    const asking = this.#state.kind === 'asking' ? this.#state : null;
    const where = asking === null ? {} : { iteration: asking.number + 1, phase: asking.asked.phase };
    const what = 'leaves' in notice ? { leaves: notice.leaves } : {};
    log[level]({ run: this.desk.run, code: notice.code, ...where, ...what, ...factsOf(notice) }, text);
    onNotice({ level, text, notice, seats: this.#crew.members.size, counts: this.#ledger.counts() });
  }

  // --- decisions and effects ------------------------------------------------------------------------------

  /**
   * Feed one event and everything that follows from its effects; null: there is nothing to wait for.
   *
   * @param brought - the answer the event brought, if it brought one
   */
  #feed(event: RunEvent, brought: Posting | null = null): Promise<void> | null {
    const { state, effects } = this.#parts.decide(this.#shape, this.#state, event);
    this.#state = state;
    if (state.kind !== 'ended' && state.kind !== 'dropped') this.#crew = state.crew;
    const acts = inOneTrip(effects);
    const [first, ...more] = acts;
    if (first === undefined) return null;
    // Mostly an answer is kept, and that is all.
    if (first.kind !== 'keep' || more.length > 0) return this.#performAll(acts, brought);
    this.#keep(brought);
    return null;
  }

  async #performAll(acts: readonly Act[], brought: Posting | null): Promise<void> {
    for (const effect of acts) {
      const next = effect.kind === 'keep' ? this.#keep(brought) : await this.#perform(effect);
      if (next === undefined) continue;
      await this.#feed(next);
      // Whatever else was decided was decided for a run that goes on.
      if (!this.going) return;
    }
  }

  /** Perform an effect; returns what follows from it at once. */
  async #perform(effect: Exclude<Act, { kind: 'keep' }>): Promise<RunEvent | undefined> {
    switch (effect.kind) {
      case 'add':
        this.#lap.answered(effect.number, effect.stage.phase);
        return this.#add(effect.stage);
      case 'assign':
        return this.#dispatch.assign(effect);
      case 'checkpoint':
        return this.#keeper.keep(effect.due, () => this.#checkpoint());
      case 'dismiss':
        return this.#dispatch.dismiss(effect);
      case 'end':
        if (effect.end.kind === 'done') await this.#finish();
        return this.#dispatch.end(effect);
      case 'fault':
        return this.#goOn({ kind: 'not-finite', error: inTime(effect.error, this.#run.grid.times) });
      case 'publish':
        return this.#publish(effect);
      case 'reopen':
        return this.#reopen();
      case 'restart':
        this.#sheet.restart();
        return { kind: 'inputs', digest: digestOf(this.#sheet.given) };
      case 'say':
        this.#say(effect.notice);
        return undefined;
      case 'withdraw':
        this.#sheet.withdraw(effect.leaves);
        return undefined;
    }
  }

  async #tellPlan(): Promise<void> {
    if (!this.going || this.planDueMs > 0) return;
    const next = await this.#dispatch.tellPlan();
    if (next !== undefined) await this.#feed(next);
  }

  async #publish({ number, stage, digest, plan }: Publication): Promise<RunEvent | undefined> {
    const { times, fields, sums, seeds } = this.#sheet.given;
    const question = { number, phase: stage.phase, parameterDigest: digest };
    const index = this.#state.kind === 'asking' ? this.#state.stage : 0;
    const { number: n, stage: i, digest: d } = this.#asked;
    const again = this.#sheet.begun && n === number && i === index && d === digest;
    this.#asked = { number, stage: index, digest };
    if (!again) {
      this.#sheet.ask(stage);
      this.#ledger.published(number, stage.phase, bytesOf(this.#sheet.given));
    }
    if (this.#legacy.claim(question)) {
      this.#lap.published();
      return plan === null ? undefined : this.#dispatch.assign(plan);
    }
    const rows = stage.rows && this.#sheet.leg.last ? this.#run.rows : noRows;
    const message = { ...question, rows, times, fields: new Map(fields), sums, seeds };
    const next = await this.#dispatch.publish(message, plan);
    if (!again) this.#lap.published();
    return next;
  }

  #secure(): Promise<RunEvent | undefined> {
    return this.#keeper.secure(() => this.#checkpoint());
  }

  #checkpoint(): Checkpoint {
    return {
      version: checkpointVersion,
      epoch: this.desk.epoch,
      holder: this.#holder,
      ...this.#asked,
      ...this.#sheet.record(),
      course: this.#run.course.record(),
      answers: this.#sheet.begun ? this.#sheet.kept() : resumable(this.#run.resume, this.#asked),
      ...remembered(this.#crew),
      counts: this.#ledger.counts(),
    };
  }

  // --- from stage to stage ----------------------------------------------------------------------------------

  async #add(stage: Stage): Promise<RunEvent> {
    const outcome = this.#sheet.add(stage);
    return outcome === null ? { kind: 'inputs', digest: digestOf(this.#sheet.given) } : this.#goOn(outcome);
  }

  /** Ask the course where to go from here. */
  async #goOn(outcome: Outcome): Promise<RunEvent> {
    try {
      const leg = await this.#run.course.next(outcome);
      this.#run.onCommit({
        iteration: this.#sheet.leg.number + 1,
        loss: outcome.kind === 'finite' ? outcome.loss : null,
        seats: this.#crew.members.size,
        counts: this.#ledger.counts(),
      });
      if (leg === null) return { kind: 'settled' };
      this.#sheet.goTo(leg);
      return { kind: 'move', digest: digestOf(this.#sheet.given) };
    } catch (error) {
      return { kind: 'stuck', error: reportOf(error) };
    }
  }
}

const noRows: RowsWanted = { gradient: [], final: false, trajectory: [], values: false };
