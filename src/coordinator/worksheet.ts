/**
 * What do the answers of an iteration come to? What its leaves are given, the answers of the stage that is asked, and what the
 * stages before it gave.
 */
import { invariant } from '../errors.ts';
import { type Entry, lossOf, sumEntries } from '../partition/adding.ts';
import type { Leaf } from '../partition/seats.ts';
import { Answers } from './answers.ts';
import type { Checkpoint, KeptAnswer } from './checkpoint.ts';
import type { Coordination, Evaluated } from './coordinator.ts';
import type { Leg, Outcome } from './course.ts';
import type { Given } from './given.ts';
import type { RunShape, Stage } from './stage.ts';

/** What holds the answers of a stage. */
export type AnswersOf = (leaves: readonly Leaf[], entries: readonly Entry[], retain: boolean) => Answers;

/** By the fixed tree. */
export const answersOf: AnswersOf = (leaves, entries, retain) => new Answers(leaves, entries, retain);

/** The last evaluation, as far as it is made. */
export type Findings = Pick<Evaluated, 'gradient' | 'loss' | 'sourceStates'>;

export class Worksheet {
  readonly #run: Pick<Coordination, 'program' | 'retain' | 'times'>;
  readonly #shape: RunShape;
  readonly #answersOf: AnswersOf;
  readonly #entries: readonly Entry[];
  #leg: Leg;
  #given: Given;
  #answers: Answers | null = null;
  /** Whose the answers of this stage are, by first leaf. */
  readonly #authors = new Map<Leaf, Pick<KeptAnswer, 'numerics' | 'worker'>>();
  /** The winning rows of phase `sums`: what phase `gradient` seeds for min and max. */
  #winners: Float64Array = new Float64Array(0);
  #findings: Findings = { loss: null, gradient: new Float64Array(0), sourceStates: null };

  constructor(
    run: Pick<Coordination, 'course' | 'grid' | 'program' | 'retain' | 'times'>,
    shape: RunShape,
    answersOf: AnswersOf,
  ) {
    this.#run = run;
    this.#shape = shape;
    this.#answersOf = answersOf;
    this.#entries = sumEntries(run.program, run.grid);
    this.#leg = run.course.begin;
    this.#given = this.#givenAt(this.#leg);
  }

  /** Where the run is evaluated. */
  get leg(): Leg {
    return this.#leg;
  }

  /** What leaves are given with the next question, or with the one that is asked. */
  get given(): Given {
    return this.#given;
  }

  /** Of stages that are over, and of earlier iterations as long as none is. */
  get findings(): Findings {
    return this.#findings;
  }

  /** Whether a stage has been asked of leaves here. */
  get begun(): boolean {
    return this.#answers !== null;
  }

  // --- from stage to stage ----------------------------------------------------------------------------------

  /** A stage is asked: it has no answers. */
  ask({ leaves }: Stage): void {
    this.#answers = this.#answersOf(leaves, this.#entries, this.#run.retain);
  }

  put({ leaf, count, answer, worker, numerics }: KeptAnswer): void {
    this.#answers?.put(leaf, answer, count);
    this.#authors.set(leaf, { worker, numerics });
  }

  withdraw(leaves: readonly Leaf[]): void {
    this.#answers?.withdraw(leaves);
  }

  /** Add a stage's answers. What they come to: an outcome, or (null) what the next stage of the iteration is given. */
  add({ phase }: Stage): Outcome | null {
    invariant(this.#answers !== null, 'a stage is published before it is added');
    const { sums, winners, loss, gradient, seeds, sourceStates } = this.#answers.total();
    const twoPhases = this.#shape.phases === 2;
    const found = { ...this.#findings, sourceStates: sourceStates ?? this.#findings.sourceStates };
    if (twoPhases && phase === 'sums') {
      this.#winners = winners;
      this.#given = { ...this.#given, sums };
      return null;
    }
    if (twoPhases && phase === 'gradient') {
      this.#findings = { ...found, gradient };
      return { kind: 'finite', loss: found.loss, gradient };
    }
    const total = lossOf(this.#entries, twoPhases ? (this.#given.sums ?? sums) : sums, loss);
    if (!Number.isFinite(total)) return notFinite(total);
    const hasLoss = this.#run.program.terms.length > 0;
    const value = hasLoss ? total : null;
    this.#findings = { ...found, loss: value, gradient };
    if (!twoPhases || !this.#shape.gradient) return { kind: 'finite', loss: value, gradient };
    invariant(seeds !== null, 'the run’s own leaf answers ∂h/∂S in phase head');
    this.#given = { ...this.#given, seeds: { values: seeds, winners: this.#winners } };
    return null;
  }

  /** The next iteration is at this point. */
  goTo(leg: Leg): void {
    this.#leg = leg;
    this.#given = this.#givenAt(leg);
  }

  /** The iteration begins anew, at its point. */
  restart(): void {
    this.#given = this.#givenAt(this.#leg);
    this.#answers = null;
  }

  #givenAt({ fields }: Leg): Given {
    return { times: this.#run.times, fields, sums: null, seeds: null };
  }

  // --- to and from a checkpoint -----------------------------------------------------------------------------

  /** What stages of this iteration gave, as a checkpoint has it. */
  record(): Pick<Checkpoint, 'gradient' | 'loss' | 'seeds' | 'sourceStates' | 'sums' | 'winners'> {
    const { sums, seeds } = this.#given;
    return { sums, seeds, winners: this.#winners, ...this.#findings };
  }

  /** Put back what the stages of this iteration before gave. */
  restore({ sums, seeds, winners, loss, gradient, sourceStates }: ReturnType<Worksheet['record']>): void {
    this.#given = { ...this.#given, sums, seeds };
    this.#winners = winners;
    this.#findings = { loss, gradient, sourceStates };
  }

  /** The answers of the stage that is asked, where they are held one by one. */
  kept(): readonly KeptAnswer[] {
    const kept: ReturnType<Answers['kept']> = this.#answers?.kept() ?? new Map();
    return [...kept].map(([leaf, { answer, count }]) => {
      const author = this.#authors.get(leaf);
      invariant(author !== undefined, 'an answer and whose it is are put together');
      return { leaf, count, answer, ...author };
    });
  }
}

function notFinite(total: number): Outcome {
  const message = `the loss is not finite: ${total}`;
  return { kind: 'not-finite', error: { tag: 'NonFiniteError', message, details: { what: 'loss' } } };
}
