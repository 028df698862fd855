/**
 * What of the seats that a worker holds is counted? Seats, pairs, answers, and bytes of rows on its devices.
 */
import type { Meter } from '../telemetry/meter.ts';
import { beginSpan, type Span } from '../telemetry/spans.ts';
import { lossCodes } from './child/supervision.ts';
import type { Answered, Work } from './worker.ts';

/** The seats of one worker. */
export class SeatMeters {
  readonly #meter: Meter;
  readonly #resident = new Map<SeatMeter, number>();

  constructor(meter: Meter) {
    this.#meter = meter;
    this.#tell();
    // A counter that is first seen at 1 has not increased.
    for (const code of lossCodes) this.#meter.count('skewflow_child_restarts_total', 0, { code });
  }

  /** Held now. */
  get seats(): number {
    return this.#resident.size;
  }

  restarted(code: string): void {
    this.#meter.count('skewflow_child_restarts_total', 1, { code });
  }

  /** A seat is taken. */
  begin(run: string, seat: string): SeatMeter {
    const span = beginSpan('skewflow.seat', { 'skewflow.run': run, 'skewflow.seat': seat });
    const meter = new SeatMeter(this.#meter, span, (bytes) => {
      if (bytes === null) this.#resident.delete(meter);
      else this.#resident.set(meter, bytes);
      this.#tell();
    });
    this.#resident.set(meter, 0);
    this.#tell();
    return meter;
  }

  #tell(): void {
    const bytes = [...this.#resident.values()].reduce((sum, count) => sum + count, 0);
    this.#meter.set('skewflow_leases', this.#resident.size, {});
    this.#meter.set('skewflow_device_memory_bytes', bytes, {});
  }
}

export class SeatMeter {
  readonly #meter: Meter;
  readonly #span: Span;
  /** Bytes of rows on the device; null: the seat is given up. */
  readonly #holds: (bytes: number | null) => void;
  #pairs = 0;

  constructor(meter: Meter, span: Span, holds: (bytes: number | null) => void) {
    this.#meter = meter;
    this.#span = span;
    this.#holds = holds;
  }

  worked({ pairs, residentBytes }: Work): void {
    this.#meter.count('skewflow_pairs_total', Math.max(0, pairs - this.#pairs), {});
    this.#pairs = Math.max(this.#pairs, pairs);
    this.#holds(residentBytes);
  }

  answered({ number, phase, leaf, begunMs, endedMs }: Answered): void {
    this.#meter.count('skewflow_shards_total', 1, { phase });
    const facts = { 'skewflow.iteration': number + 1, 'skewflow.phase': phase, 'skewflow.shard': leaf };
    this.#span.part('skewflow.shard', facts, begunMs, endedMs);
  }

  end(error: unknown): void {
    this.#holds(null);
    this.#span.end(error);
  }
}
