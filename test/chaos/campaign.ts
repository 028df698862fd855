/**
 * Does a fleet survive whatever one does to it? Runs, a few at a time, on two coordinators and some workers whose Redis is 30 ms away,
 * and faults drawn from a seed; a worker is killed when its log says that it is in the phase that was drawn.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '../../src/index.ts';
import { pause } from '../faults/drill.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { type Chance, chanceOf } from '../simulator/chance.ts';
import { chaosJob, type Size } from './job.ts';
import { type Phase, phaseOf } from './position.ts';
import { type Coordinator, type Heard, Processes, type Worker } from './processes.ts';
import { type Fault, Strikes } from './strikes.ts';

export interface CampaignOptions {
  readonly seed: number;
  /** Faults that hit work, after which no more are made. */
  readonly faults: number;
  /** Only these, each as likely as the others. Default: all, two of three a kill of workers. */
  readonly only?: readonly Fault[];
  /** How often one is made, about. */
  readonly perMinute: number;
  readonly size: Size;
  /** Runs at a time, and how many workers and coordinators there are. */
  readonly runs: number;
  readonly workers: number;
  /** No fault begins later than this. */
  readonly secondsMax: number;
  readonly say: (line: string) => void;
  /** Given everything that any process logs. Default: nobody. */
  readonly raw?: (text: string) => void;
}

export interface Report {
  readonly strikes: Strikes;
  readonly runs: number;
  /** Digests of loss, gradient and optimum: of `skewflow run`, and of every run of the campaign that had another, or failed. */
  readonly expected: string;
  readonly different: readonly string[];
}

/** Longest wait for something to be hit, to be noticed, and for a run to end. */
const aimMs = 1500;
const noticeMs = 15_000;
const endMs = 400_000;

/** How often each fault comes where none is chosen. */
const usual = Object.entries({
  'worker-kill': 20,
  'worker-freeze': 1,
  'worker-drain': 1,
  'coordinator-kill': 5,
  'redis-restart': 1,
  'link-cut': 1,
} satisfies Record<Fault, number>).flatMap(([fault, times]) => Array<Fault>(times).fill(fault as Fault));

const workerPhases = ['read', 'forward', 'backward', 'post'] as const satisfies readonly Phase[];
const coordinatorPhases = ['commit', 'checkpoint'] as const satisfies readonly Phase[];

class Campaign {
  readonly #fleet: Fleet;
  readonly #client: Client;
  readonly #options: CampaignOptions;
  readonly #chance: Chance;
  readonly #strikes: Strikes;
  /** Waits for lines. */
  readonly #waits = new Set<(heard: Heard) => void>();
  #processes: Processes | null = null;
  /** Of the runs that go on. */
  readonly #going = new Set<string>();
  readonly #different: string[] = [];
  #runs = 0;
  #striking = true;
  /** A coordinator was killed, and another has not gone on yet. */
  #taking = false;

  constructor(fleet: Fleet, client: Client, options: CampaignOptions, chance: Chance) {
    this.#fleet = fleet;
    this.#client = client;
    this.#options = options;
    this.#chance = chance;
    this.#strikes = new Strikes(options.say);
  }

  async run(job: string, expected: string): Promise<Report> {
    const { runs, workers, raw = () => {} } = this.#options;
    const counts = { workers, coordinators: 2 };
    await using processes = await Processes.start(this.#fleet, counts, (heard) => this.#hear(heard), raw);
    this.#processes = processes;
    const lanes = Array.from({ length: runs }, (_, lane) => this.#lane(lane, job, expected));
    const over = Promise.all(lanes);
    await Promise.race([this.#strike(), over]);
    this.#striking = false;
    await over;
    return { strikes: this.#strikes, runs: this.#runs, expected, different: this.#different };
  }

  // --- runs -----------------------------------------------------------------------------------------------

  /** One run after another, as long as faults are made. */
  async #lane(lane: number, job: string, expected: string): Promise<void> {
    const { seed, say } = this.#options;
    for (let n = 0; this.#striking; n++) {
      const id = await this.#submit(job, `${seed}-${lane}-${n}`);
      this.#going.add(id);
      const begun = Date.now();
      await this.#ended(id);
      this.#going.delete(id);
      this.#strikes.over(id);
      const found = await this.#fetched(id);
      this.#runs += 1;
      if (found !== expected) this.#different.push(`${id}: ${found}`);
      const seconds = ((Date.now() - begun) / 1000).toFixed(1);
      say(`run ${id}: ${found === expected ? 'the bytes of `run`' : found} after ${seconds} s`);
    }
  }

  /** Redis may be away. */
  async #submit(job: string, key: string): Promise<string> {
    const { workers, runs } = this.#options;
    for (;;) {
      try {
        return (
          await this.#client.submit(job, { key, workers: { min: 1, max: Math.ceil(workers / runs) + 1 } })
        ).id;
      } catch (error) {
        this.#options.say(`not submitted, retrying: ${String(error)}`);
        await pause(500);
      }
    }
  }

  /** The digest of what a run came to, or why there is none. Redis hears of the end last, and may be away. */
  async #fetched(id: string): Promise<string> {
    for (const until = Date.now() + noticeMs; ; await pause(200)) {
      const { state } =
        (await this.#client
          .run(id)
          .status()
          .catch(() => null)) ?? {};
      if ((state === 'active' || state === undefined) && Date.now() < until) continue;
      return this.#client
        .run(id)
        .fetch({ out: join(this.#fleet.folder, id) })
        .then(() => digestOf(this.#fleet, id), String);
    }
  }

  /** Read where it is stored, since Redis may be away. */
  async #ended(id: string): Promise<void> {
    const path = join(this.#fleet.storage, 'runs', id, 'end.json');
    for (const until = Date.now() + endMs; Date.now() < until; ) {
      if ((await readFile(path).catch(() => null)) !== null) return;
      await pause(50);
    }
    this.#options.say(`run ${id} has not ended within ${endMs / 1000} s`);
  }

  // --- faults ---------------------------------------------------------------------------------------------

  async #strike(): Promise<void> {
    const { faults: most, secondsMax, perMinute, only } = this.#options;
    const gapMs = 60_000 / perMinute;
    const until = Date.now() + 1000 * secondsMax;
    while (this.#striking && this.#strikes.total < most && Date.now() < until) {
      const next = pause(gapMs * (0.5 + this.#chance.next()));
      await this.#make(this.#chance.pick(only ?? usual));
      await next;
    }
  }

  async #make(fault: Fault): Promise<void> {
    switch (fault) {
      case 'worker-kill':
        return this.#killWorkers();
      case 'worker-freeze':
        return this.#freezeWorker();
      case 'worker-drain':
        return this.#drainWorker();
      case 'coordinator-kill':
        return this.#killCoordinator();
      case 'redis-restart':
        return this.#restartRedis();
      case 'link-cut':
        return this.#cut();
    }
  }

  /** One, or several within a moment; fresh ones take their places. */
  async #killWorkers(): Promise<void> {
    const phase = this.#rarest(workerPhases);
    const first = await this.#workerIn(phase);
    if (first === null) return;
    if (phase !== 'post') await pause(this.#chance.within(0, 30));
    this.#kill(first);
    while (this.#chance.happens(0.4)) {
      await pause(this.#chance.within(0, 200));
      const workers = this.#workers();
      if (workers.length > 0) this.#kill(this.#chance.pick(workers));
    }
  }

  #kill(worker: Worker): void {
    if (worker.struck) return;
    void this.#processes?.kill(worker).then(({ at, killedAt }) => {
      this.#strikes.struck('worker-kill', at, killedAt);
    });
  }

  /** The phase that was hit least, every second time; else any. */
  #rarest<P extends Phase>(among: readonly P[]): P {
    const hits = (phase: P): number => this.#strikes.phases.get(phase) ?? 0;
    const [rarest] = among.toSorted((a, b) => hits(a) - hits(b));
    return rarest !== undefined && this.#chance.happens(0.5) ? rarest : this.#chance.pick(among);
  }

  /** Workers that are at work which may be struck: another of their run is left, or nothing would ever go on. */
  #workers(): readonly Worker[] {
    const well = (this.#processes?.workers ?? []).filter(({ struck }) => !struck);
    return well.filter(
      ({ at }) =>
        this.#going.has(at.run ?? '') &&
        well.filter((other) => other.at.run === at.run).length > 1 &&
        this.#strikes.mayStrike(at),
    );
  }

  /** A worker that comes into a phase, or one that is at work where none does. */
  async #workerIn(phase: Phase): Promise<Worker | null> {
    const found = await this.#heard(aimMs, ({ from }) => {
      if (!('at' in from) || phaseOf(from.at)?.phase !== phase) return null;
      return this.#workers().includes(from) ? from : null;
    });
    return found ?? this.#workers()[0] ?? null;
  }

  async #freezeWorker(): Promise<void> {
    const [worker] = this.#workers();
    if (worker === undefined) return;
    worker.struck = true;
    this.#processes?.signal(worker, 'SIGSTOP');
    const time = Date.now();
    // What it said before it was stopped is on its way.
    await pause(200);
    this.#strikes.struck('worker-freeze', worker.at, time);
    void pause(this.#chance.within(2500, 5000)).then(() => {
      this.#processes?.signal(worker, 'SIGCONT');
      worker.struck = false;
    });
  }

  async #drainWorker(): Promise<void> {
    const [worker] = this.#workers();
    if (worker === undefined) return;
    worker.struck = true;
    const at = Date.now();
    const phase = phaseOf(worker.at);
    worker.service.kill('SIGTERM');
    this.#processes?.replace(worker);
    const code = await worker.service.ended;
    if (code !== 0) this.#different.push(`a worker that was told to end exited with ${code}`);
    this.#strikes.took('SIGTERM → exit', Date.now() - at);
    if (phase === null) this.#strikes.missed += 1;
    else this.#strikes.count('worker-drain', phase.phase);
  }

  async #cut(): Promise<void> {
    const [worker] = this.#workers();
    if (worker === undefined) return;
    worker.struck = true;
    worker.link.cut();
    this.#strikes.struck('link-cut', worker.at, Date.now());
    void pause(this.#chance.within(2500, 5000)).then(() => {
      worker.link.mend();
      worker.struck = false;
    });
  }

  /** Another goes on with its runs; workers are struck meanwhile. */
  async #killCoordinator(): Promise<void> {
    if (this.#taking) return;
    const phase = this.#rarest(coordinatorPhases);
    const victim = await this.#coordinatorIn(phase);
    if (victim === null) return;
    const killedAt = Date.now();
    this.#taking = true;
    this.#processes?.killCoordinator(victim);
    const over = victim.service.silent
      .then(() => this.#coordinatorKilled(victim, killedAt))
      .finally(() => {
        this.#taking = false;
      });
    if (this.#options.only !== undefined) await over;
  }

  async #coordinatorKilled({ runs }: Coordinator, killedAt: number): Promise<void> {
    const { say } = this.#options;
    const hit = [...runs].filter(([run, { iteration }]) => this.#going.has(run) && iteration > 0);
    const found = await Promise.all(hit.map(([run, at]) => this.#takenOver(run, at, killedAt)));
    const inPhase = hit.find(([, at]) => at.keeping) ?? hit.find(([, at]) => at.phase === 'commit');
    if (!found.includes(true)) {
      this.#strikes.missed += 1;
      return;
    }
    this.#strikes.count(
      'coordinator-kill',
      inPhase === undefined ? null : inPhase[1].keeping ? 'checkpoint' : 'commit',
    );
    const where = hit.map(
      ([run, { iteration, keeping, phase }]) =>
        `run ${run} iteration ${iteration} ${keeping ? 'checkpoint' : (phase ?? 'in between')}`,
    );
    say(`coordinator-kill: ${where.join(', ')}: taken over`);
  }

  async #coordinatorIn(phase: Phase): Promise<Coordinator | null> {
    return this.#heard(2 * aimMs, ({ from, line }) =>
      'runs' in from && line.doing === phase && this.#going.has(line.run ?? '') ? from : null,
    );
  }

  /** Whether another coordinator goes on with a run: it commits an iteration. */
  async #takenOver(run: string, at: { readonly iteration: number }, killedAt: number): Promise<boolean> {
    const before = this.#strikes.quiet(run);
    const commit = await this.#heard(noticeMs, ({ line }) => {
      const commits = line.run === run && line.doing === 'commit' && line.time > killedAt;
      return commits || !this.#going.has(run) ? line : null;
    });
    if (commit === null || commit.run !== run || (commit.iteration ?? 0) < at.iteration) return false;
    const alone = before !== null && this.#strikes.quiet(run) === before;
    if (alone) this.#strikes.took('coordinator-kill → first new iteration', commit.time - killedAt);
    return true;
  }

  async #restartRedis(): Promise<void> {
    const hit = this.#going.size > 0;
    await this.#fleet.redis.kill();
    await pause(this.#chance.within(0, 3000));
    await this.#fleet.redis.restart();
    const back = Date.now();
    const progress = await this.#heard(noticeMs, ({ line }) =>
      line.doing === 'answer' && line.time >= back ? line : null,
    );
    if (!hit || progress === null) {
      this.#strikes.missed += 1;
      return;
    }
    this.#strikes.took('Redis back → progress', progress.time - back);
    this.#strikes.count('redis-restart', null);
    this.#options.say(
      `redis-restart: runs ${[...this.#going].join(', ')} went on after ${progress.time - back} ms`,
    );
  }

  // --- what is heard --------------------------------------------------------------------------------------

  #hear(heard: Heard): void {
    if ('runs' in heard.from && heard.line.doing === 'answer') this.#strikes.answered(heard.line);
    for (const wait of this.#waits) wait(heard);
  }

  /** The first that a line comes to, or null when none does for so long. */
  #heard<T>(ms: number, found: (heard: Heard) => T | null): Promise<T | null> {
    return new Promise((resolve) => {
      const end = (value: T | null): void => {
        clearTimeout(timer);
        this.#waits.delete(wait);
        resolve(value);
      };
      const wait = (heard: Heard): void => {
        const value = found(heard);
        if (value !== null) end(value);
      };
      const timer = setTimeout(end, ms, null);
      this.#waits.add(wait);
    });
  }
}

/** Run a campaign. */
export async function campaign(options: CampaignOptions): Promise<Report> {
  await using fleet = await startFleet({ aof: true });
  const chance = chanceOf(options.seed);
  const job = await fleet.job('job.yaml', await chaosJob(fleet.folder, chance, options.size));
  const ran = await fleet.run('run', job, '--engine', 'wasm', '--out', 'by-run', '--json');
  if (ran.code !== 0) throw new Error(ran.stderr);
  const expected = await digestOf(fleet, 'by-run');
  const log = { error: ignore, warn: ignore, info: ignore, debug: ignore };
  await using client = new Client({ redis: fleet.redis.url, storage: fleet.storage, log });
  return await new Campaign(fleet, client, options, chance).run(join(fleet.folder, job), expected);
}

const ignore = (): void => {};

async function digestOf(fleet: Fleet, folder: string): Promise<string> {
  const { loss } = JSON.parse((await fleet.file(folder, 'result.json')).toString()) as { loss: number };
  return createHash('sha256')
    .update(`${loss} `)
    .update(await fleet.file(folder, 'gradient.npz'))
    .update(await fleet.file(folder, 'optimum.npz'))
    .digest('hex');
}
