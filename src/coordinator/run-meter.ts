/**
 * What of the runs that a coordinator carries is counted? Seats over all of them; what a run counted before this coordinator
 * had it is not counted again.
 */
import type { Meter } from '../telemetry/meter.ts';
import { beginSpan, type Span } from '../telemetry/spans.ts';
import { type Counts, nothingCounted } from './checkpoint.ts';
import type { Commit, Line, Timing } from './coordinator.ts';
import { noticeCodes } from './notice.ts';

/** The runs of one coordinator. */
export class RunMeters {
  readonly #meter: Meter;
  readonly #seats = new Map<RunMeter, number>();

  constructor(meter: Meter) {
    this.#meter = meter;
    this.carried(0);
    this.#meter.set('skewflow_leases', 0, {});
    // A counter that is first seen at 1 has not increased: the first mismatch of all would wake nobody.
    for (const code of noticeCodes) this.#meter.count('skewflow_notices_total', 0, { code });
  }

  /** So many runs are carried now. */
  carried(runs: number): void {
    this.#meter.set('skewflow_runs', runs, {});
  }

  noticed(code: string): void {
    this.#meter.count('skewflow_notices_total', 1, { code });
  }

  /** A run is begun, or taken up. */
  begin(run: string, name: string): RunMeter {
    const span = beginSpan('skewflow.run', { 'skewflow.run': run, 'skewflow.job': name });
    return new RunMeter(this.#meter, span, (meter, seats) => this.#seated(meter, seats));
  }

  #seated(run: RunMeter, seats: number): void {
    this.#seats.set(run, seats);
    if (seats === 0) this.#seats.delete(run);
    const all = [...this.#seats.values()].reduce((sum, count) => sum + count, 0);
    this.#meter.set('skewflow_leases', all, {});
  }
}

export class RunMeter {
  readonly #meter: Meter;
  readonly #span: Span;
  readonly #seated: (run: RunMeter, seats: number) => void;
  #counts: Counts = nothingCounted;

  constructor(meter: Meter, span: Span, seated: (run: RunMeter, seats: number) => void) {
    this.#meter = meter;
    this.#span = span;
    this.#seated = seated;
  }

  /** The run goes on from a checkpoint: what is counted there was counted by others. */
  resumed(counts: Counts): void {
    this.#counts = counts;
  }

  committed({ seats, counts }: Commit): void {
    this.#meter.count('skewflow_iterations_total', 1, {});
    this.#count(counts, seats);
  }

  noticed({ seats, counts, notice }: Line): void {
    this.#count(counts, seats);
    this.#span.event(notice.code);
  }

  timed({ part, iteration, begunMs, endedMs }: Timing): void {
    const seconds = (endedMs - begunMs) / 1000;
    if (part === 'all-reduce') this.#meter.observe('skewflow_all_reduce_seconds', seconds, {});
    else this.#meter.observe('skewflow_iteration_seconds', seconds, { phase: part });
    this.#span.part(`skewflow.${part}`, { 'skewflow.iteration': iteration }, begunMs, endedMs);
  }

  /** It is over, or another coordinator's. */
  end(error: unknown): void {
    this.#seated(this, 0);
    this.#span.end(error);
  }

  #count(counts: Counts, seats: number): void {
    const before = this.#counts;
    this.#counts = counts;
    // A seat that beats again after it was lost begins at nothing: a counter never goes back.
    const more = (key: 'pairs' | 'redone' | 'workersLost'): number => Math.max(0, counts[key] - before[key]);
    this.#meter.count('skewflow_pairs_total', more('pairs'), {});
    this.#meter.count('skewflow_redone_shards_total', more('redone'), {});
    this.#meter.count('skewflow_workers_lost_total', more('workersLost'), {});
    this.#seated(this, seats);
  }
}
