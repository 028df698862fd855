/**
 * Who hears what happens to a run? The register, for `show` and `follow`, and the log of this process; a Redis that does not
 * answer never holds up the run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { reportOf } from '../exchange/error-report.ts';
import type { Register, RunNews } from '../exchange/register.ts';
import type { Log } from '../log.ts';
import type { RunId } from '../protocol.ts';

type Level = Extract<RunNews, { kind: 'notice' }>['level'];
type Facts = Extract<RunNews, { kind: 'notice' }>['facts'];
type State = Extract<RunNews, { kind: 'state' }>;
type Figures = Omit<Extract<RunNews, { kind: 'progress' }>, 'kind'>;

/** Between two reports of progress. */
const everyMs = 500;
/** Between two tries to tell how a run ended. */
const againMs = 1000;
const textMax = 1000;

export class Story {
  /** Of the coordination that reports; a later one refuses what an earlier one says. */
  epoch: number;
  readonly #register: Register;
  readonly #run: RunId;
  readonly #log: Log;
  readonly #heard: (code: string) => void;
  #told = Number.NEGATIVE_INFINITY;
  /** Reports keep their order. */
  #chain: Promise<void> = Promise.resolve();

  /** @param heard - told the code of every notice */
  constructor(
    register: Register,
    run: RunId,
    epoch: number,
    log: Log,
    heard: (code: string) => void = () => {},
  ) {
    this.#register = register;
    this.#run = run;
    this.epoch = epoch;
    this.#log = log;
    this.#heard = heard;
  }

  /** A line that a person can grep for, here and in `follow`. */
  notice(level: Level, code: string, text: string, facts: Facts = {}): void {
    this.#log[level]({ run: this.#run, code, ...facts }, text);
    this.noted(level, code, text, facts);
  }

  /** A line that is in the log already. */
  noted(level: Level, code: string, text: string, facts: Facts = {}): void {
    this.#heard(code);
    this.#tell({ kind: 'notice', level, code, text: text.slice(0, textMax), facts });
  }

  /** How far it is, at most twice a second; at once when an iteration is over. */
  progress(figures: Figures, now: boolean): void {
    if (!now && performance.now() - this.#told < everyMs) return;
    this.#told = performance.now();
    this.#tell({ kind: 'progress', ...figures });
  }

  state(state: State['state']): void {
    this.#tell({ kind: 'state', state, error: null, summary: null });
  }

  /**
   * The run is over. Resolves when the register knows; what comes after a Redis that is away waits for it.
   *
   * @returns false: another coordinator holds the run, and tells how it ends
   */
  async end(
    state: Extract<State['state'], 'cancelled' | 'done' | 'failed'>,
    { error = null, summary = null }: { readonly error?: unknown; readonly summary?: State['summary'] },
    signal: AbortSignal,
  ): Promise<boolean> {
    const report = error === null ? null : reportOf(error);
    await this.settled();
    for (;;) {
      signal.throwIfAborted();
      try {
        const news = { kind: 'state', state, error: report, summary } as const;
        return (await this.#register.report(this.#run, this.epoch, news)) !== 'fenced';
      } catch (cause) {
        this.#log.warn({ run: this.#run }, `not told that the run is ${state}, retrying: ${String(cause)}`);
        await sleep(againMs, undefined, { signal });
      }
    }
  }

  /** Everything told so far has arrived, or could not. */
  settled(): Promise<void> {
    return this.#chain;
  }

  #tell(news: RunNews): void {
    const { epoch } = this;
    this.#chain = this.#chain.then(async () => {
      try {
        await this.#register.report(this.#run, epoch, news);
      } catch (cause) {
        this.#log.debug({ run: this.#run }, `not reported: ${String(cause)}`);
      }
    });
  }
}
