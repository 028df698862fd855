/**
 * What does an iteration cost beside its computing? `npm run bench:exchange [-- --only WORDS] [--json FILE]`.
 *
 * Compiled, as what users run is: a loader for TypeScript makes closures several times as dear.
 * A redis-server of its own, coordinator and workers in processes of their own, on loopback; workers answer at once with
 * arrays of the size asked for, one for each subtree that a worker adds its shards' to before it posts. The coordinator asks and gathers, or
 * (`carried`) is the one of production. Prints a table and writes JSON with the machine in it (default: bench-exchange.json).
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { Desk, Seat } from '../src/exchange/exchange.ts';
import { type Connected, connectRedis } from '../src/exchange/redis/connect.ts';
import { loadJob } from '../src/job/load.ts';
import type { JobObject } from '../src/job/schema.ts';
import { logTo } from '../src/log.ts';
import { type Prepared, prepare } from '../src/prepare.ts';
import {
  type Again,
  type LeafName,
  ParameterDigest,
  protocolVersion,
  RunSheet,
  type SeatId,
  WorkerId,
} from '../src/protocol.ts';
import { version } from '../src/version.ts';
import { type Combined, combine } from '../src/worker/combine.ts';
import { startRedis } from '../test/setup/redis-server.ts';
import { carried } from './carried.ts';
import { measureFleet } from './fleet.ts';
import { machine, median } from './machine.ts';

interface Case {
  readonly what: string;
  readonly shards: number;
  /** Doubles of one answer. */
  readonly length: number;
  /** Processes, connections each, seats a connection. */
  readonly workers: readonly [processes: number, connections: number, seats: number];
  readonly iterations: number;
  /** By the coordinator of production; otherwise it only asks and gathers. */
  readonly carried: boolean;
}

const digest = ParameterDigest.parse('a'.repeat(64));

function open(port: number): Promise<Connected> {
  const address = { host: '127.0.0.1', port, tls: false, username: null, password: null, database: 0 };
  return connectRedis({ address, patienceMs: Number.POSITIVE_INFINITY, log: logTo('error') });
}

// --- workers ----------------------------------------------------------------------------------------------

async function serve(seat: Seat, length: number): Promise<void> {
  const never = new AbortController().signal;
  const gradient = new Float64Array(length).fill(0.1);
  const sums = Float64Array.of(1 / 3);
  const winners = Float64Array.of(-1);
  const answer = {
    kind: 'partial',
    sums,
    winners,
    loss: 0,
    gradient,
    seeds: null,
    sourceStates: null,
  } as const;
  // Nothing is computed here, adding included.
  const nothing = new Float64Array(0);
  const hollow = { ...answer, sums: nothing, winners: nothing, gradient: nothing };
  const sitting = { protocolVersion, seat: seat.id } as const;
  const who = { ...sitting, worker: WorkerId.parse(seat.id), numerics: 'reference/f64' } as const;
  await seat.join({ ...who, version, engine: 'reference', threads: 1 });
  const beating = setInterval(() => void seat.beat({ ...sitting, blocks: 0, pairs: 0 }), 1000);
  let question = '';
  let answered: readonly LeafName[] = [];
  let copied: readonly Again[] = [];
  // Mostly the same leaves are asked as before, and go together as before.
  let [given, together]: [readonly LeafName[], readonly Combined[]] = [[], []];
  for (let stamp = -1; ; ) {
    const { iteration, plan, end, stamp: now } = await seat.watch(stamp, never);
    stamp = now;
    if (end !== null) {
      clearInterval(beating);
      return seat.leave(null);
    }
    if (iteration === null || plan === null) continue;
    const { run, number, phase, parameterDigest } = iteration;
    const asked = `${number} ${phase} ${parameterDigest}`;
    if (asked !== question) [answered, copied] = [[], []];
    question = asked;
    const its = plan.leaves.get(seat.id) ?? [];
    const leaves = answered.length === 0 ? its : its.filter((leaf) => !answered.includes(leaf));
    const isNew = ({ leaf, copy }: Again): boolean => !copied.some((c) => c.leaf === leaf && c.copy === copy);
    const again = (plan.again.get(seat.id) ?? []).filter(isNew);
    if (leaves.length + again.length === 0) continue;
    answered = answered.length === 0 ? leaves : [...answered, ...leaves];
    copied = [...copied, ...again];
    if (leaves !== given || plan.alone.length > 0) {
      const each = leaves.map((leaf) => ({ leaf, ...hollow }));
      together = combine([], each, (leaf) => plan.alone.includes(leaf));
      given = plan.alone.length > 0 ? [] : leaves;
    }
    const envelope = { run, number, phase, parameterDigest, tookMs: 0, ...who } as const;
    await seat.post([
      ...together.map(({ leaf, count }) => ({ leaf, count, copy: 0, answer, ...envelope })),
      ...again.map(({ leaf, copy }) => ({ leaf, count: 1, copy, answer, ...envelope })),
    ]);
  }
}

async function workers(port: number, connections: number, seats: number, length: number): Promise<void> {
  process.on('message', () => process.send?.(ownCpuMs()));
  const all = await Promise.all(Array.from({ length: connections }, () => open(port)));
  await Promise.all(
    all.flatMap(({ exchange }) =>
      Array.from({ length: seats }, async () =>
        serve(await exchange.lease(new AbortController().signal), length),
      ),
    ),
  );
  process.exit(0);
}

/** CPU of this process so far, in milliseconds. */
function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What a process of workers says of itself when asked. */
async function cpuMsOf(child: ChildProcess): Promise<number> {
  const said = once(child, 'message');
  child.send('cpu');
  return Number((await said)[0]);
}

// --- coordinator ------------------------------------------------------------------------------------------

async function joined(desk: Desk, count: number): Promise<readonly SeatId[]> {
  const seats: SeatId[] = [];
  while (seats.length < count) {
    for (const event of await desk.events(AbortSignal.timeout(60_000)))
      if (event.kind === 'joined') seats.push(event.join.seat);
  }
  return seats;
}

/** One iteration after the other; milliseconds each, from the parameters out to the last answer in. */
async function iterate(
  desk: Desk,
  seats: readonly SeatId[],
  it: Case,
  from: number,
  count: number,
): Promise<number[]> {
  const each = it.shards / seats.length;
  const leaves = new Map(
    seats.map((seat, s) => [seat, Array.from({ length: each }, (_, i) => s * each + i)] as const),
  );
  const fields = new Map([['p', new Float64Array(it.length).fill(0.1)]]);
  const took: number[] = [];
  for (let number = from; number < from + count; number++) {
    const began = performance.now();
    const envelope = { protocolVersion, run: desk.run, epoch: desk.epoch } as const;
    const question = { number, phase: 'gradient', parameterDigest: digest } as const;
    const rows = { gradient: [], final: false, trajectory: [], values: false };
    const given = { times: null, fields, sums: null, seeds: null, rows };
    await desk.publish(
      { ...envelope, ...question, ...given },
      { ...envelope, generation: 0, leaves, again: new Map(), alone: [] },
    );
    for (let answered = 0; answered < it.shards; ) {
      for (const event of await desk.events(AbortSignal.timeout(60_000)))
        if (event.kind === 'posted' && event.posting.number === number) answered += event.posting.count;
    }
    took.push(performance.now() - began);
  }
  return took;
}

async function askedFor(
  desk: Desk,
  seats: readonly SeatId[],
  it: Case,
  warmUp: number,
  onWarm: () => Promise<void>,
): Promise<number[]> {
  await iterate(desk, seats, it, 0, warmUp);
  await onWarm();
  return iterate(desk, seats, it, warmUp, it.iterations);
}

/** Workers end by themselves when their run has; those of a run that failed are ended. */
async function ended(child: ChildProcess): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
  clearTimeout(timer);
}

/** A job of so many shards whose gradient is an answer's length. */
async function crowdJob({ shards, length }: Case): Promise<Prepared> {
  const object: JobObject = {
    name: 'crowd',
    sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: length / 2 },
    tracers: { x: { uniform: [-1, 1], dim: 2, seed: 2 }, rows: shards },
    loss: 'mean(i, sum(j, exp(-sqdist(x, q[j]))))',
    gradient: ['q'],
    shards,
  };
  return prepare(await loadJob({ object }));
}

interface Measured extends Case {
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
  /** Milliseconds of CPU an iteration, whoever else the machine serves. */
  readonly cpuMs: { readonly coordinator: number; readonly redis: number; readonly workers: number };
  /** Bytes that Redis holds more after the iterations than after the first tenth of them. */
  readonly grown: number;
}

async function measure(it: Case): Promise<Measured> {
  await using redis = await startRedis();
  const raw = new Redis(redis.url);
  const heldBytes = async (): Promise<number> => {
    await raw.memory('PURGE');
    return Number(/used_memory:(\d+)/.exec(await raw.info('memory'))?.[1]);
  };
  const redisCpu = async (): Promise<number> => {
    const text = await raw.info('cpu');
    const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1]);
    return 1000 * (seconds('used_cpu_user') + seconds('used_cpu_sys'));
  };
  const connected = await open(redis.port);
  const [processes, connections, seats] = it.workers;
  const count = processes * connections * seats;
  const sheet = { run: 'bench', jobDigest: 'f'.repeat(64), seats: { min: count, max: count }, priority: 0 };
  const desk = await connected.exchange.open(RunSheet.parse({ protocolVersion, ...sheet }));
  const args = ['--workers', redis.port, connections, seats, it.length].map(String);
  const children = Array.from(
    { length: processes },
    (): ChildProcess => fork(fileURLToPath(import.meta.url), args),
  );
  try {
    const sitting = await joined(desk, count);
    const warmUp = Math.max(20, it.iterations / 10);
    const cpu = async (): Promise<Measured['cpuMs']> => {
      const each = await Promise.all(children.map(cpuMsOf));
      const workersMs = each.reduce((sum, ms) => sum + ms, 0);
      return { coordinator: ownCpuMs(), redis: await redisCpu(), workers: workersMs };
    };
    let before = Number.NaN;
    let cpuBefore: Measured['cpuMs'] | null = null;
    const onWarm = async (): Promise<void> => {
      before = await heldBytes();
      cpuBefore = await cpu();
    };
    const took = it.carried
      ? await carried(desk, await crowdJob(it), { ...it, seats: count, warmUp, onWarm })
      : await askedFor(desk, sitting, it, warmUp, onWarm);
    const cpuAfter = await cpu();
    const used = (who: keyof Measured['cpuMs']): number =>
      (cpuAfter[who] - (cpuBefore?.[who] ?? Number.NaN)) / it.iterations;
    const cpuMs = { coordinator: used('coordinator'), redis: used('redis'), workers: used('workers') };
    const grown = (await heldBytes()) - before;
    if (!it.carried) await desk.end({ kind: 'done' });
    const sorted = took.toSorted((a, b) => a - b);
    const p99 = sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN;
    const total = took.reduce((sum, ms) => sum + ms, 0);
    return { ...it, p50: median(took), p99, perSecond: (1000 * took.length) / total, cpuMs, grown };
  } finally {
    await Promise.all(children.map(ended));
    raw.disconnect();
    await connected[Symbol.asyncDispose]();
  }
}

const cases: readonly (Case & { readonly target: string; readonly met: (measured: Measured) => boolean })[] =
  [
    {
      what: '64 shards × 10 KB, 2 workers',
      shards: 64,
      length: 1280,
      workers: [2, 1, 1],
      iterations: 1e3,
      carried: false,
      target: 'p50 ≤ 3.5 ms',
      met: ({ p50 }) => p50 <= 3.5,
    },
    {
      what: '4096 shards × 512 B, 512 workers',
      shards: 4096,
      length: 64,
      workers: [1, 32, 16],
      iterations: 400,
      carried: false,
      target: '≥ 20 /s',
      met: ({ perSecond }) => perSecond >= 20,
    },
    {
      what: 'the same, coordinated',
      shards: 4096,
      length: 64,
      workers: [1, 32, 16],
      iterations: 400,
      carried: true,
      target: '≥ 20 /s',
      met: ({ perSecond }) => perSecond >= 20,
    },
    {
      what: '8 shards × 1 KB, 2 workers',
      shards: 8,
      length: 128,
      workers: [2, 1, 1],
      iterations: 1e4,
      carried: false,
      target: 'memory flat',
      met: ({ grown }) => grown < 2e5,
    },
  ];

const { argv } = process;
if (argv[2] === '--workers') {
  const [port = 0, connections = 0, seats = 0, length = 0] = argv.slice(3).map(Number);
  await workers(port, connections, seats, length);
} else {
  const option = (name: string): string | null =>
    argv.includes(name) ? (argv[argv.indexOf(name) + 1] ?? null) : null;
  const only = option('--only');
  const rows: (Measured & { readonly target: string; readonly met: boolean })[] = [];
  process.stdout.write(`${JSON.stringify(machine())}\n`);
  process.stdout.write(
    `${'what'.padEnd(34)}     p50     p99   per s  CPU: coordinator, Redis, workers   grown  target\n`,
  );
  for (const { target, met, ...it } of cases) {
    if (only !== null && !it.what.includes(only)) continue;
    const measured = await measure(it);
    rows.push({ ...measured, target, met: met(measured) });
    const { p50, p99, perSecond, cpuMs, grown } = measured;
    const cells = [
      it.what.padEnd(34),
      `${p50.toFixed(2)} ms`.padStart(7),
      `${p99.toFixed(1)} ms`.padStart(7),
      perSecond.toFixed(0).padStart(7),
      `${[cpuMs.coordinator, cpuMs.redis, cpuMs.workers].map((ms) => ms.toFixed(2)).join(', ')} ms`.padStart(
        32,
      ),
      `${(grown / 1000).toFixed(0)} kB`.padStart(7),
      `${target}: ${met(measured) ? 'met' : 'missed'}`,
    ];
    process.stdout.write(`${cells.join(' ')}\n`);
  }
  const fleet = only === null || 'fleet'.includes(only) ? await measureFleet() : null;
  if (fleet !== null) {
    const ms = (all: readonly number[]): string => all.map((each) => each.toFixed(0)).join(', ');
    const met = fleet.ratio >= 0.9 ? 'met' : 'missed';
    process.stdout.write(
      `${fleet.what}: ${ms(fleet.fleetMs)} ms against ${ms(fleet.aloneMs)} ms an evaluation, ` +
        `${fleet.ratio.toFixed(2)} of the speed  ≥ 0.9: ${met}\n`,
    );
  }
  const file = option('--json') ?? 'bench-exchange.json';
  writeFileSync(file, `${JSON.stringify({ machine: machine(), rows, fleet }, null, 2)}\n`);
  process.exit(0);
}
