/**
 * How large must a Redis, a coordinator and a worker be? `npm run bench:sizing [-- --only NAME] [--json FILE]`.
 *
 * Real processes, a coordinator and two workers of one thread on a redis-server of their own, take a few steps of gradient
 * descent. Memory is the most that /proc shows of a process with its children, and what Redis says of itself; traffic is what
 * Redis counts, in and out. Prints a table and writes JSON with the machine in it (default: bench-sizing.json).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { stringify } from 'yaml';
import { childrenOf } from '../test/faults/drill.ts';
import { startFleet } from '../test/fleet.ts';
import { lddmm } from './jobs.ts';
import { machine } from './machine.ts';

interface Case {
  readonly rows: number;
  readonly sources: number;
  readonly iterations: number;
}

interface Measured extends Case {
  readonly shards: number;
  /** Numbers of one gradient. */
  readonly gradient: number;
  readonly workerBytes: number;
  readonly coordinatorBytes: number;
  /** Beyond what Redis takes when it is idle. */
  readonly redisBytes: number;
  readonly receivedPerIteration: number;
  readonly sentPerIteration: number;
  /** The run's own count of numbers that went through, from its summary. */
  readonly countedPerIteration: number;
  readonly seconds: number;
}

/** Two steps of time: neither memory of rows nor traffic depends on their number. */
const steps = 2;

const cases: readonly Case[] = [
  { rows: 1e5, sources: 100, iterations: 10 },
  { rows: 1e5, sources: 1000, iterations: 10 },
  { rows: 1e6, sources: 100, iterations: 5 },
  { rows: 1e6, sources: 1000, iterations: 2 },
  { rows: 1e7, sources: 100, iterations: 2 },
  { rows: 1e7, sources: 1000, iterations: 1 },
];

/** The most memory that a process and its children have had, each at its own worst. */
function peakOf(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + highWaterOf(each), 0);
}

function highWaterOf(pid: number): number {
  try {
    const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return 1024 * Number(kibibytes ?? 0);
  } catch {
    return 0; // it ended meanwhile
  }
}

async function infoOf(redis: Redis, names: readonly string[]): Promise<readonly number[]> {
  const text = `${await redis.info('memory')}${await redis.info('stats')}`;
  return names.map((name) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1]));
}

async function measure({ rows, sources, iterations }: Case): Promise<Measured> {
  await using fleet = await startFleet();
  const redis = new Redis(fleet.redis.url);
  try {
    const coordinator = fleet.coordinator();
    const workers = [fleet.worker(), fleet.worker()];
    await Promise.all([
      coordinator.says(/coordinator ready/),
      ...workers.map((worker) => worker.says(/worker ready/)),
    ]);
    const names = ['used_memory', 'used_memory_peak', 'total_net_input_bytes', 'total_net_output_bytes'];
    const [idle = 0, , ...before] = await infoOf(redis, names);

    const most = { coordinator: 0, worker: 0 };
    let over = false;
    const looking = (async (): Promise<void> => {
      for (; !over; await sleep(100)) {
        most.coordinator = Math.max(most.coordinator, peakOf(coordinator.pid));
        for (const { pid } of workers) most.worker = Math.max(most.worker, peakOf(pid));
      }
    })();
    const optimize = {
      over: ['p'],
      method: 'gd',
      rate: 1e-9,
      iterations,
      gradientTolerance: 0,
      decreaseTolerance: 0,
    };
    await fleet.job(
      'job.yaml',
      stringify({ ...lddmm(rows, sources, steps), gradient: ['q', 'p'], optimize }),
    );
    const sent = await fleet.run('submit', 'job.yaml', '--wait', '--json');
    if (sent.code !== 0) throw new Error(sent.stderr);
    over = true;
    await looking;

    const [, peak = 0, ...after] = await infoOf(redis, names);
    const { id } = JSON.parse(sent.stdout) as { id: string };
    const shown = await fleet.run('show', id, '--json');
    const { summary } = JSON.parse(shown.stdout) as { summary: Summary };
    const evaluations = summary.optimization?.evaluations ?? summary.iterations;
    const perIteration = (which: number): number =>
      ((after[which] ?? Number.NaN) - (before[which] ?? Number.NaN)) / evaluations;
    return {
      rows,
      sources,
      iterations: evaluations,
      shards: summary.shards,
      gradient: 6 * sources,
      workerBytes: most.worker,
      coordinatorBytes: most.coordinator,
      redisBytes: peak - idle,
      receivedPerIteration: perIteration(0),
      sentPerIteration: perIteration(1),
      countedPerIteration: summary.bytesPerIteration,
      seconds: summary.seconds,
    };
  } finally {
    redis.disconnect();
  }
}

interface Summary {
  readonly shards: number;
  readonly iterations: number;
  readonly seconds: number;
  readonly bytesPerIteration: number;
  readonly optimization: { readonly evaluations: number } | null;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;

const { argv } = process;
const option = (name: string): string | null =>
  argv.includes(name) ? (argv[argv.indexOf(name) + 1] ?? null) : null;
const only = option('--only');
const measured: Measured[] = [];
process.stdout.write(`${JSON.stringify(machine())}\n`);
process.stdout.write(
  '      N     M  shards    worker  coordinator     Redis  into Redis  out of it  (an iteration)  counted  iterations  seconds\n',
);
for (const it of cases) {
  if (only !== null && `${it.rows.toExponential(0)} ${it.sources}` !== only) continue;
  const row = await measure(it);
  measured.push(row);
  const cells = [
    it.rows.toExponential(0).padStart(7),
    String(it.sources).padStart(5),
    String(row.shards).padStart(7),
    mebibytes(row.workerBytes).padStart(9),
    mebibytes(row.coordinatorBytes).padStart(12),
    ...[row.redisBytes, row.receivedPerIteration, row.sentPerIteration, row.countedPerIteration].map(
      (bytes) => mebibytes(bytes).padStart(10),
    ),
    String(row.iterations).padStart(4),
    row.seconds.toFixed(1).padStart(6),
  ];
  process.stdout.write(`${cells.join(' ')}\n`);
}
writeFileSync(
  option('--json') ?? 'bench-sizing.json',
  `${JSON.stringify({ machine: machine(), measured }, null, 2)}\n`,
);
process.exit(0);
