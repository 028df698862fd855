/**
 * What does a process measure whatever it is doing? The round trip to its store, the bytes that went there, and the depths
 * of its queues, every few seconds; one look at a time, so that a store that is away is asked once.
 */
import type { Meter } from './meter.ts';

/** The store, as far as it is measured. */
export interface Store {
  /** From a question to its answer, in milliseconds; waits through an outage. */
  readonly roundTripMs: () => Promise<number>;
  /** Bytes of iterations and answers since the connection was made. */
  readonly traffic: () => { readonly receivedBytes: number; readonly sentBytes: number };
  readonly depths: () => Promise<readonly QueueDepth[]>;
}

export interface QueueDepth {
  readonly queue: string;
  readonly state: string;
  readonly jobs: number;
}

const everyMs = 5000;

/**
 * Look at once, and then every five seconds.
 *
 * @param queues - whether the queues' depths are looked at: by coordinators, as they are the same for everybody
 */
export function beginPulse(meter: Meter, store: Store, queues: boolean): Disposable {
  const traffic = trafficOf(meter, store);
  let timer: NodeJS.Timeout | null = null;
  let over = false;
  const look = async (): Promise<void> => {
    try {
      traffic();
      meter.observe('skewflow_redis_round_trip_seconds', (await store.roundTripMs()) / 1000, {});
      const depths = queues ? await store.depths() : [];
      for (const { queue, state, jobs } of depths) meter.set('skewflow_queue_depth', jobs, { queue, state });
    } catch {
      // A store that is away, or a link that was closed: readiness says so.
    }
    if (!over) timer = setTimeout(() => void look(), everyMs).unref();
  };
  void look();
  return {
    [Symbol.dispose]: () => {
      over = true;
      if (timer !== null) clearTimeout(timer);
    },
  };
}

/** Counts what went over the store since it was called last. */
function trafficOf(meter: Meter, store: Store): () => void {
  let before = { receivedBytes: 0, sentBytes: 0 };
  return () => {
    const now = store.traffic();
    const name = 'skewflow_exchange_bytes_total';
    meter.count(name, now.receivedBytes - before.receivedBytes, { direction: 'received' });
    meter.count(name, now.sentBytes - before.sentBytes, { direction: 'sent' });
    before = now;
  };
}
