/**
 * How does an optimisation lead a run? A course whose points an optimiser chooses, with its history, and a last evaluation
 * at the optimum for the results of the size of the tracers.
 */
import { errorOf } from '../exchange/error-report.ts';
import type { Job, Optimize } from '../job/job.ts';
import type { ProgramOutline } from '../kernels/sweep/program.ts';
import type { Course, Leg, Outcome } from './course.ts';
import {
  advance,
  begin,
  type OptimizerState,
  type Reason,
  type Rules,
  type Step,
} from './optimizers/optimizer.ts';
import { decodeData, encodeData } from './plain-data.ts';
import { type Variables, variablesOf } from './variables.ts';

/** A step of the optimisation and when it was made: a line of `history.csv`. */
export interface HistoryRow extends Step {
  /** Seconds of work on the run up to here, interruptions left out. */
  readonly seconds: number;
}

/** All that an optimisation has to remember: plain data, and enough to go on with the same bits. */
export interface DescentState {
  readonly optimizer: OptimizerState;
  readonly history: readonly HistoryRow[];
  /** Why it is over; then only the evaluation at the optimum may be left. */
  readonly reason: Reason | null;
}

/** An optimisation as the course of a run. */
export interface Descent extends Course {
  /** As it stands. */
  readonly state: () => DescentState;
  /** The fields in `over` at the lowest point so far. */
  readonly optimum: () => ReadonlyMap<string, Float64Array>;
}

export interface DescentOptions {
  /** Whether the run leaves rows or states beside the loss and the gradient: then the optimum is evaluated once more. */
  readonly rows: boolean;
  /** Where it stood when it was stopped; null: it is new. */
  readonly resume: DescentState | null;
  /**
   * Called after every evaluation, `taken` being the step it completed; the run goes on when it resolves, and ends with
   * its error when it rejects. What was saved last is what can be resumed.
   */
  readonly save: (state: DescentState, taken: HistoryRow | null) => Promise<void>;
  /** Seconds of work in this process. */
  readonly seconds: () => number;
}

/**
 * Rounding of a loss, relative: sums of f32 terms agree to some 1e-6 (the value of Hager & Zhang, SIAM J. Optim. 16
 * (2005), §5), those of f64 to some 1e-14.
 */
const noises = { f32: 1e-6, f64: 1e-14 } as const;

/** The course of a job with `optimize`. */
export function descend(
  job: { readonly optimize: Optimize; readonly precision: Job['precision'] },
  program: ProgramOutline,
  fields: ReadonlyMap<string, Float64Array>,
  options: DescentOptions,
): Descent {
  const variables = variablesOf(job.optimize, program, fields, job.precision);
  const rules: Rules = { ...job.optimize, box: variables.box, noise: noises[job.precision] };
  const secondsBefore = options.resume?.history.at(-1)?.seconds ?? 0;
  let state: DescentState = options.resume ?? {
    optimizer: begin(rules, variables.start),
    history: [],
    reason: null,
  };

  return {
    begin: legOf(variables, state),
    next: async (outcome) => {
      if (state.reason !== null) return ended(outcome);
      const { optimizer: before, history } = state;
      const step = stepFrom(rules, variables, before, outcome);
      const row = step.taken && { ...step.taken, seconds: secondsBefore + options.seconds() };
      state = {
        optimizer: step.state,
        history: row === null ? history : [...history, row],
        reason: step.done?.reason ?? null,
      };
      await options.save(state, row);
      // The evaluation just made is the last if it is that of the optimum and has left all that is wanted.
      const complete = step.done !== null && !options.rows && step.done.optimum.point === before.point;
      return complete ? null : legOf(variables, state);
    },
    state: () => state,
    record: () => encodeDescent(state),
    optimum: () => {
      const all = variables.fieldsAt(optimumOf(state));
      return new Map(job.optimize.over.map((name) => [name, all.get(name) ?? new Float64Array(0)]));
    },
  };
}

/** A state as text, for whoever keeps checkpoints. */
export function encodeDescent(state: DescentState): string {
  return encodeData({ version: stateVersion, state });
}

/** The state in a text that `encodeDescent` made and a checksum has vouched for; null when it is of another version. */
export function decodeDescent(text: string): DescentState | null {
  const { version, state } = decodeData(text) as { version: number; state: DescentState };
  return version === stateVersion ? state : null;
}

/** Raised whenever the shape of a state changes. */
const stateVersion = 1;

function legOf(variables: Variables, state: DescentState): Leg {
  const { evaluations, point } = state.optimizer;
  const last = state.reason !== null;
  return { number: evaluations, fields: variables.fieldsAt(last ? optimumOf(state) : point), last };
}

function optimumOf({ optimizer: { best, point } }: DescentState): Float64Array {
  return best?.point ?? point;
}

function stepFrom(
  rules: Rules,
  variables: Variables,
  optimizer: OptimizerState,
  outcome: Outcome,
): ReturnType<typeof advance> {
  // A start that is not finite is told with its place, as in a run without optimisation.
  if (outcome.kind === 'not-finite' && optimizer.at === null) throw errorOf(outcome.error);
  return outcome.kind === 'finite' && outcome.loss !== null
    ? advance(rules, optimizer, { loss: outcome.loss, gradient: variables.gradientOf(outcome.gradient) })
    : advance(rules, optimizer, { loss: Infinity, gradient: new Float64Array(0) });
}

function ended(outcome: Outcome): null {
  if (outcome.kind === 'not-finite') throw errorOf(outcome.error);
  return null;
}
