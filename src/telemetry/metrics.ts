/**
 * What can be measured from outside? One record a metric: kind, labels, what it counts. Names follow Prometheus: base units,
 * `_total` for counters.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

interface MetricRecord {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** Which process exposes it. */
  readonly of: 'both' | 'coordinator' | 'worker';
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of a histogram's buckets, in the metric's unit. */
  readonly buckets?: readonly number[];
}

/** 1 ms … 10 min: an iteration of a small job, and a gradient of a large one. */
const evaluationSeconds = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 600];
/** 0.1 ms … 3 s: a Redis on the loopback, and one about to be called unreachable. */
const roundTripSeconds = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];

export const metricTable = {
  skewflow_all_reduce_seconds: {
    kind: 'histogram',
    of: 'coordinator',
    labels: [],
    help: 'From the last answer of a phase to the next phase published: the tree, the optimiser, the parameters to all.',
    buckets: evaluationSeconds,
  },
  skewflow_child_restarts_total: {
    kind: 'counter',
    of: 'worker',
    labels: ['code'],
    help: 'Compute children started again, by what ended the one before.',
  },
  skewflow_device_memory_bytes: {
    kind: 'gauge',
    of: 'worker',
    labels: [],
    help: 'Bytes of rows resident on the device.',
  },
  skewflow_exchange_bytes_total: {
    kind: 'counter',
    of: 'both',
    labels: ['direction'],
    help: 'Bytes of iterations and answers that went through Redis: sent or received.',
  },
  skewflow_iteration_seconds: {
    kind: 'histogram',
    of: 'coordinator',
    labels: ['phase'],
    help: 'From a phase published to its last answer.',
    buckets: evaluationSeconds,
  },
  skewflow_iterations_total: {
    kind: 'counter',
    of: 'coordinator',
    labels: [],
    help: 'Iterations committed: a loss, and its gradient, each.',
  },
  skewflow_leases: {
    kind: 'gauge',
    of: 'both',
    labels: [],
    help: 'Seats held: in the runs that this coordinator carries, or by this worker.',
  },
  skewflow_notices_total: {
    kind: 'counter',
    of: 'coordinator',
    labels: ['code'],
    help: 'Notices about runs, by code: WORKER_LOST, SPECULATING, AUDIT_MISMATCH and the like.',
  },
  skewflow_pairs_total: {
    kind: 'counter',
    of: 'both',
    labels: [],
    help: 'Own row × bound row visits, forward and backward.',
  },
  skewflow_queue_depth: {
    kind: 'gauge',
    of: 'coordinator',
    labels: ['queue', 'state'],
    help: 'Jobs in the queues of runs and of seats, by state: waiting, prioritized, active, delayed.',
  },
  skewflow_redis_round_trip_seconds: {
    kind: 'histogram',
    of: 'both',
    labels: [],
    help: 'From a PING to its answer, every few seconds.',
    buckets: roundTripSeconds,
  },
  skewflow_redone_shards_total: {
    kind: 'counter',
    of: 'coordinator',
    labels: [],
    help: 'Shards assigned again after their seat was lost.',
  },
  skewflow_runs: {
    kind: 'gauge',
    of: 'coordinator',
    labels: [],
    help: 'Runs that this coordinator carries.',
  },
  skewflow_shards_total: {
    kind: 'counter',
    of: 'worker',
    labels: ['phase'],
    help: 'Shards answered.',
  },
  skewflow_workers_lost_total: {
    kind: 'counter',
    of: 'coordinator',
    labels: [],
    help: 'Seats whose worker was not heard of for longer than a lease lasts.',
  },
} as const satisfies Readonly<Record<string, MetricRecord>>;

export type MetricName = keyof typeof metricTable;

type NamesOf<Kind extends MetricRecord['kind']> = {
  [Name in MetricName]: (typeof metricTable)[Name]['kind'] extends Kind ? Name : never;
}[MetricName];

type LabelsOf<Name extends MetricName> = Readonly<
  Record<(typeof metricTable)[Name]['labels'][number], string>
>;

/** What a process tells of itself; one a process, so that two in one test do not mix. */
export interface Metrics {
  readonly count: <Name extends NamesOf<'counter'>>(name: Name, by: number, labels: LabelsOf<Name>) => void;
  readonly set: <Name extends NamesOf<'gauge'>>(name: Name, value: number, labels: LabelsOf<Name>) => void;
  /** Seconds, or whatever the name ends with. */
  readonly observe: <Name extends NamesOf<'histogram'>>(
    name: Name,
    value: number,
    labels: LabelsOf<Name>,
  ) => void;
  /** In the text format of Prometheus, the process's own CPU, memory and event-loop lag included. */
  readonly text: () => Promise<string>;
  readonly contentType: string;
}

/**
 * The metrics of a coordinator or a worker; every one of them is there from the start, at zero where it has no labels.
 *
 * Each sample says by `role` whose it is: both count seats and pairs, and how scrape jobs are named is the operator's choice.
 */
export function createMetrics(role: 'coordinator' | 'worker'): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ role });
  collectDefaultMetrics({ register: registry });
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  for (const [name, record] of Object.entries<MetricRecord>(metricTable)) {
    if (record.of !== 'both' && record.of !== role) continue;
    const { help, labels: labelNames } = record;
    const options = { name, help, labelNames, registers: [registry] };
    switch (record.kind) {
      case 'counter':
        counters.set(name, new Counter(options));
        break;
      case 'gauge':
        gauges.set(name, new Gauge(options));
        break;
      case 'histogram':
        histograms.set(name, new Histogram({ ...options, buckets: [...(record.buckets ?? [])] }));
        break;
    }
  }
  return {
    count: (name, by, labels) => counters.get(name)?.inc(labels, by),
    set: (name, value, labels) => gauges.get(name)?.set(labels, value),
    observe: (name, value, labels) => histograms.get(name)?.observe(labels, value),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
