/**
 * What is done to the processes, and to Redis? One blow at a time, at a process whose log says that it is in the phase that was
 * drawn; what it hit, and what came of it, is `strikes.ts`.
 */
import { pause } from '../faults/drill.ts';
import type { RedisServer } from '../setup/redis-server.ts';
import type { Chance } from '../simulator/chance.ts';
import { type Phase, phaseOf } from './position.ts';
import type { Coordinator, Processes, Worker } from './processes.ts';
import type { Fault, Strikes } from './strikes.ts';

export interface BlowsOptions {
  readonly processes: Processes;
  readonly redis: RedisServer;
  readonly strikes: Strikes;
  readonly chance: Chance;
  /** Runs that go on. */
  readonly going: ReadonlySet<string>;
  /** Only these; one that is named twice comes twice as often. Default: all, two of three a kill of workers. */
  readonly only: readonly Fault[] | undefined;
  readonly say: (line: string) => void;
}

/** Longest wait for a phase to come, and for something to go on. */
const aimMs = 1500;
const noticeMs = 15_000;

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

export class Blows {
  readonly #options: BlowsOptions;
  readonly #processes: Processes;
  readonly #strikes: Strikes;
  readonly #chance: Chance;
  /** A coordinator was killed, and another has not gone on yet. */
  #taking = false;

  constructor(options: BlowsOptions) {
    this.#options = options;
    this.#processes = options.processes;
    this.#strikes = options.strikes;
    this.#chance = options.chance;
  }

  /** Draw a fault and make it. */
  next(): Promise<void> {
    return this.#make(this.#chance.pick(this.#options.only ?? usual));
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
        return this.#strikes.disturb(() => this.#restartRedis());
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
    void this.#processes.kill(worker).then(({ at, killedAt }) => {
      this.#strikes.struck('worker-kill', at, killedAt);
    });
  }

  /** The phase that was hit least, every second time; else any. */
  #rarest<P extends Phase>(among: readonly P[]): P {
    const [rarest] = among.toSorted((a, b) => this.#strikes.in(a) - this.#strikes.in(b));
    return rarest !== undefined && this.#chance.happens(0.5) ? rarest : this.#chance.pick(among);
  }

  /** Workers that are at work which may be struck: another of their run is left, or nothing would ever go on. */
  #workers(): readonly Worker[] {
    const well = this.#processes.workers.filter(({ struck }) => !struck);
    return well.filter(
      ({ at }) =>
        this.#options.going.has(at.run ?? '') &&
        well.filter((other) => other.at.run === at.run).length > 1 &&
        this.#strikes.mayStrike(at),
    );
  }

  /** A worker that comes into a phase, or one that is at work where none does. */
  async #workerIn(phase: Phase): Promise<Worker | null> {
    const found = await this.#processes.first(aimMs, ({ from }) => {
      if (!('at' in from) || phaseOf(from.at)?.phase !== phase) return null;
      return this.#workers().includes(from) ? from : null;
    });
    return found ?? this.#workers()[0] ?? null;
  }

  async #freezeWorker(): Promise<void> {
    const [worker] = this.#workers();
    if (worker === undefined) return;
    worker.struck = true;
    this.#processes.signal(worker, 'SIGSTOP');
    const time = Date.now();
    // What it said before it was stopped is on its way.
    await pause(200);
    this.#strikes.struck('worker-freeze', worker.at, time);
    void pause(this.#chance.within(2500, 5000)).then(() => {
      this.#processes.signal(worker, 'SIGCONT');
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
    this.#processes.replace(worker);
    const code = await worker.service.ended;
    if (code !== 0) throw new Error(`a worker that was told to end exited with ${code}`);
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

  /** Another goes on with its runs; workers are struck meanwhile, unless nothing but this is wanted. */
  async #killCoordinator(): Promise<void> {
    if (this.#taking) return;
    const phase = this.#rarest(coordinatorPhases);
    const victim = await this.#coordinatorIn(phase);
    if (victim === null) return;
    const killedAt = Date.now();
    this.#taking = true;
    this.#processes.killCoordinator(victim);
    const over = this.#strikes
      .disturb(async () => {
        await victim.service.silent;
        await this.#coordinatorKilled(victim, killedAt);
      })
      .finally(() => {
        this.#taking = false;
      });
    if (this.#options.only?.length === 1) await over;
  }

  async #coordinatorKilled({ runs }: Coordinator, killedAt: number): Promise<void> {
    const carried = [...runs].map(async ([run, at]) => {
      const { iteration, keeping, phase } = at;
      if (!this.#options.going.has(run) || iteration === 0) return [];
      const taken = await this.#takenOver(run, iteration, killedAt);
      return taken ? [{ run, iteration, phase: keeping ? ('checkpoint' as const) : phase }] : [];
    });
    const hit = (await Promise.all(carried)).flat();
    const [first] = hit.toSorted((a, b) => (b.phase === null ? 0 : 1) - (a.phase === null ? 0 : 1));
    if (first === undefined) {
      this.#strikes.missed += 1;
      return;
    }
    this.#strikes.count('coordinator-kill', first.phase);
    const where = hit.map(
      ({ run, iteration, phase }) => `run ${run} iteration ${iteration} ${phase ?? 'in between'}`,
    );
    this.#options.say(`coordinator-kill: ${where.join(', ')}: taken over`);
  }

  async #coordinatorIn(phase: Phase): Promise<Coordinator | null> {
    return this.#processes.first(2 * aimMs, ({ from, line }) =>
      'runs' in from && line.doing === phase && this.#options.going.has(line.run ?? '') ? from : null,
    );
  }

  /** Whether another coordinator takes a run over and commits an iteration of it. */
  async #takenOver(run: string, iteration: number, killedAt: number): Promise<boolean> {
    const { going } = this.#options;
    const before = this.#strikes.quiet(run);
    let resumed = false;
    const commit = await this.#processes.first(noticeMs, ({ line }) => {
      if (line.run !== run || line.time <= killedAt) return going.has(run) ? null : line;
      resumed ||= line.code === 'RESUMING';
      return resumed && line.doing === 'commit' ? line : null;
    });
    if (commit?.doing !== 'commit' || (commit.iteration ?? 0) < iteration) return false;
    const alone = before !== null && this.#strikes.quiet(run) === before;
    if (alone) this.#strikes.took('coordinator-kill → first new iteration', commit.time - killedAt);
    return true;
  }

  async #restartRedis(): Promise<void> {
    const hit = this.#options.going.size > 0;
    await this.#options.redis.kill();
    await pause(this.#chance.within(0, 3000));
    await this.#options.redis.restart();
    const back = Date.now();
    const progress = await this.#processes.first(noticeMs, ({ line }) =>
      line.doing === 'answer' && line.time >= back ? line : null,
    );
    if (!hit || progress === null) {
      this.#strikes.missed += 1;
      return;
    }
    this.#strikes.took('Redis back → progress', progress.time - back);
    this.#strikes.count('redis-restart', null);
    this.#options.say(
      `redis-restart: runs ${[...this.#options.going].join(', ')} went on after ${progress.time - back} ms`,
    );
  }
}
