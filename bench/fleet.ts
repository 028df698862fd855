/**
 * What does a fleet lose against one process on the same cores? `npm run bench:exchange -- --only fleet`.
 *
 * The same evaluations, at the same points, by one worker in this process with a thread a core, and by a worker process a core
 * with one thread each, which meet a coordinator over a Redis of their own; in turns, so that what else the machine does hits
 * both. An evaluation is timed from commit to commit: starting and reading do not count.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Exchange } from '../src/exchange/exchange.ts';
import { inProcessExchange } from '../src/exchange/in-process.ts';
import { type Connected, connectRedis } from '../src/exchange/redis/connect.ts';
import { loadJob } from '../src/job/load.ts';
import { logTo } from '../src/log.ts';
import { type Prepared, prepare } from '../src/prepare.ts';
import { protocolVersion, RunSheet, WorkerId } from '../src/protocol.ts';
import { assignmentOf } from '../src/worker/assignment.ts';
import { chooseStations } from '../src/worker/engine/discover.ts';
import { serveOneRun } from '../src/worker/worker.ts';
import { startRedis } from '../test/setup/redis-server.ts';
import { carried } from './carried.ts';
import { lddmm } from './jobs.ts';
import { median } from './machine.ts';

const cores = availableParallelism();
/** Of these the first are left out: workers start and read, and V8 compiles, for about a second in each process. */
const evaluations = 24;
const warmUp = 10;
const turns = 3;
const memoryBytes = 2 ** 31;
const log = logTo('error');

function open(port: number): Promise<Connected> {
  const address = { host: '127.0.0.1', port, tls: false, username: null, password: null, database: 0 };
  return connectRedis({ address, patienceMs: Number.POSITIVE_INFINITY, log });
}

async function prepared(): Promise<Prepared> {
  return prepare(await loadJob({ object: lddmm(100_000, 100, 10) }));
}

/** Milliseconds an evaluation, the middle one. */
async function timed(exchange: Exchange, run: string, job: Prepared, seats: number): Promise<number> {
  const sheet = { protocolVersion, run, jobDigest: job.job.digest, seats: { min: seats, max: seats } };
  const desk = await exchange.open(RunSheet.parse({ ...sheet, priority: 0 }));
  return median(await carried(desk, job, { seats, warmUp, iterations: evaluations - warmUp }));
}

async function serve(exchange: Exchange, job: Prepared, threads: number, isolated: boolean): Promise<void> {
  const means = { engine: 'wasm', threads, memoryBytes } as const;
  const { precision } = job.job;
  const stations = await chooseStations('wasm', { precision, threads, memoryBytes, isolated });
  const rows = { write: async (): Promise<void> => {} };
  await serveOneRun({
    exchange,
    engine: () => (stations[0] as (typeof stations)[0]).open(),
    open: async () => assignmentOf(job, means, rows),
    worker: WorkerId.parse(`bench:${process.pid}`),
    threads,
    log,
    signal: new AbortController().signal,
    // As a worker of a fleet does; one that is alone has no reason to.
    ...(isolated ? { waveMs: 1000, beatMs: 1000 } : {}),
  });
}

async function alone(job: Prepared): Promise<number> {
  await using exchange = inProcessExchange();
  const [took] = await Promise.all([timed(exchange, 'alone', job, 1), serve(exchange, job, cores, false)]);
  return took;
}

export interface FleetMeasured {
  readonly what: string;
  /** Milliseconds an evaluation, in turns. */
  readonly aloneMs: readonly number[];
  readonly fleetMs: readonly number[];
  /** Speed of the fleet by that of one process, turn by turn; the middle one. */
  readonly ratio: number;
}

export async function measureFleet(): Promise<FleetMeasured> {
  await using redis = await startRedis();
  const connected = await open(redis.port);
  const self = fileURLToPath(import.meta.url);
  const children = Array.from(
    { length: cores },
    (): ChildProcess => fork(self, ['--worker', `${redis.port}`]),
  );
  const job = await prepared();
  const [aloneMs, fleetMs]: [number[], number[]] = [[], []];
  try {
    for (let turn = 0; turn < turns; turn++) {
      fleetMs.push(await timed(connected.exchange, `fleet-${turn}`, job, cores));
      aloneMs.push(await alone(job));
    }
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await connected[Symbol.asyncDispose]();
  }
  const what = `N = 1e5, M = 100: ${cores} worker processes against one with ${cores} threads`;
  const ratios = aloneMs.map((ms, turn) => ms / (fleetMs[turn] ?? Number.NaN));
  return { what, aloneMs, fleetMs, ratio: median(ratios) };
}

if (process.argv[2] === '--worker') {
  const { exchange } = await open(Number(process.argv[3]));
  const job = await prepared();
  for (;;) await serve(exchange, job, 1, true);
}
