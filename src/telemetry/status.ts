/**
 * What does a long-running process show of itself? Its metrics and its health, from before it has connected until it ends.
 */
import type { Meter } from './meter.ts';
import { createMetrics } from './metrics.ts';
import { beginPulse, type Store } from './pulse.ts';
import { type Health, serveStatus } from './status-server.ts';

/** A process that has started. */
export interface Observed {
  readonly live: () => Health;
  readonly ready: () => Health;
  readonly store: Store;
}

export interface Status extends AsyncDisposable {
  readonly meter: Meter;
  readonly host: string;
  readonly port: number;
  /** The process has started: its health is what it says, and its store is measured. */
  readonly observe: (process: Observed) => void;
}

/**
 * Listen; until a process is observed it is alive and not ready.
 *
 * @throws UsageError for an address that cannot be read or listened on
 */
export async function openStatus(role: 'coordinator' | 'worker', listen: string): Promise<Status> {
  const metrics = createMetrics(role);
  let observed: Observed | null = null;
  let pulse: Disposable | null = null;
  const server = await serveStatus({
    listen,
    metrics,
    live: () => observed?.live() ?? { ok: true, detail: 'starting' },
    ready: () => observed?.ready() ?? { ok: false, detail: 'starting' },
  });
  return {
    meter: metrics,
    host: server.host,
    port: server.port,
    observe: (process) => {
      observed = process;
      pulse = beginPulse(metrics, process.store, role === 'coordinator');
    },
    [Symbol.asyncDispose]: async () => {
      pulse?.[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
