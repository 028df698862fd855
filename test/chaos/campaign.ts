/**
 * Does a fleet survive whatever one does to it? Runs, one after another, on two coordinators and four workers, and faults drawn
 * from a seed. A fault counts when it hit work: when a coordinator says of which iteration it took leaves along, or that it
 * takes over; the others are missed.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '../../src/index.ts';
import { cutLink } from '../faults/cut-link.ts';
import { childrenOf, manyIterations, pause } from '../faults/drill.ts';
import { type Fleet, type Service, startFleet } from '../fleet.ts';
import { type Chance, chanceOf } from '../simulator/chance.ts';

const faults = [
  'worker-kill',
  'worker-freeze',
  'worker-drain',
  'coordinator-kill',
  'redis-restart',
  'link-cut',
] as const;
export type Fault = (typeof faults)[number];

export interface CampaignOptions {
  readonly seed: number;
  /** Faults that hit work, after which no more are made. */
  readonly faults: number;
  /** Only these, each as likely as the others; default: all, worker kills most often. */
  readonly only?: readonly Fault[];
  /** Iterations of a run. */
  readonly iterations: number;
  /** No fault begins later than this. */
  readonly secondsMax: number;
  readonly say: (line: string) => void;
}

export interface Report {
  readonly hit: ReadonlyMap<Fault, number>;
  readonly missed: number;
  readonly runs: number;
  /** Digests of loss and gradient: of `skewflow run`, and of every run of the campaign that had another, or failed. */
  readonly expected: string;
  readonly different: readonly string[];
  /** How many faults hit each phase. */
  readonly phases: ReadonlyMap<string, number>;
  /** From a fault, or from the end of it, until something goes on: milliseconds. */
  readonly times: ReadonlyMap<string, readonly number[]>;
}

/** A line of a coordinator's log. */
interface Line {
  readonly time: number;
  readonly msg: string;
  readonly code?: string;
  readonly iteration?: number;
  readonly phase?: string;
  readonly leaves?: number;
}

interface Worker {
  service: Service;
  readonly link: Awaited<ReturnType<typeof cutLink>> | null;
}

/** Longest wait for a fault to be noticed, and for a run to end. */
const noticeMs = 8000;
const endMs = 120_000;
const workerArguments = ['worker', '--threads', '1', '--engine', 'wasm'];

class Campaign {
  readonly #fleet: Fleet;
  readonly #client: Client;
  readonly #options: CampaignOptions;
  readonly #chance: Chance;
  readonly #coordinators: Service[];
  readonly #workers: Worker[];
  /** Logs of coordinators that were killed are read, too. */
  readonly #logs: Service[] = [];
  readonly #hit = new Map<Fault, number>();
  readonly #phases = new Map<string, number>();
  readonly #times = new Map<string, number[]>();
  #missed = 0;

  constructor(fleet: Fleet, client: Client, links: readonly Worker['link'][], options: CampaignOptions) {
    this.#fleet = fleet;
    this.#client = client;
    this.#options = options;
    this.#chance = chanceOf(options.seed);
    this.#coordinators = [this.#coordinator(), this.#coordinator()];
    this.#workers = links.map((link) => ({ link, service: this.#worker(link) }));
  }

  async run(): Promise<Report> {
    const { seed, iterations, say, secondsMax } = this.#options;
    const job = await this.#fleet.job('job.yaml', manyIterations(iterations));
    const path = join(this.#fleet.folder, job);
    const ran = await this.#fleet.run('run', job, '--engine', 'wasm', '--out', 'by-run', '--json');
    if (ran.code !== 0) throw new Error(ran.stderr);
    const expected = await digestOf(this.#fleet, 'by-run');
    const different: string[] = [];
    const begun = Date.now();
    let runs = 0;
    while (this.#total() < this.#options.faults && Date.now() - begun < 1000 * secondsMax) {
      const handle = await this.#client.submit(path, { key: `${seed}-${runs}`, workers: { min: 1, max: 8 } });
      const over = this.#over(handle.id);
      while (!over.value && this.#total() < this.#options.faults && Date.now() - begun < 1000 * secondsMax)
        await this.#fault(handle.id, over);
      await over.promise;
      runs += 1;
      const found = await this.#client
        .run(handle.id)
        .fetch({ out: join(this.#fleet.folder, handle.id) })
        .then(() => digestOf(this.#fleet, handle.id), String);
      if (found !== expected) different.push(`${handle.id}: ${found}`);
      say(`run ${runs}: ${found.slice(0, 64)}; ${this.#total()} faults hit work, ${this.#missed} missed`);
    }
    const [hit, phases, times, missed] = [this.#hit, this.#phases, this.#times, this.#missed];
    return { hit, missed, runs, expected, different, phases, times };
  }

  #total(): number {
    return [...this.#hit.values()].reduce((sum, n) => sum + n, 0);
  }

  #coordinator(): Service {
    const service = this.#fleet.coordinator();
    this.#logs.push(service);
    return service;
  }

  #worker(link: Worker['link']): Service {
    return this.#fleet.start(workerArguments, link === null ? {} : { REDIS_URL: link.url });
  }

  /** Whether a run is over; read where it is stored, since Redis may be away. */
  #over(id: string): { value: boolean; readonly promise: Promise<void> } {
    const over = { value: false, promise: Promise.resolve() };
    const wait = async (): Promise<void> => {
      const until = Date.now() + endMs;
      while (Date.now() < until) {
        const end = join(this.#fleet.storage, 'runs', id, 'end.json');
        if ((await readFile(end).catch(() => null)) !== null) break;
        await pause(30);
      }
      over.value = true;
    };
    return Object.assign(over, { promise: wait() });
  }

  // --- faults ---------------------------------------------------------------------------------------------

  async #fault(id: string, over: { readonly value: boolean }): Promise<void> {
    await pause(this.#chance.within(100, 900));
    if (over.value) return;
    const { only } = this.#options;
    const kills: readonly Fault[] = [
      'worker-kill',
      'worker-kill',
      'worker-kill',
      'worker-kill',
      'worker-kill',
    ];
    switch (this.#chance.pick(only ?? [...faults, ...kills])) {
      case 'worker-kill':
        return this.#killWorkers(id, over);
      case 'worker-freeze':
        return this.#freezeWorker(id, over);
      case 'worker-drain':
        return this.#drainWorker();
      case 'coordinator-kill':
        return this.#killCoordinator(id, over);
      case 'redis-restart':
        return this.#restartRedis(id, over);
      case 'link-cut':
        return this.#cut(id, over);
    }
  }

  /** One or two at once; fresh ones take their places. */
  async #killWorkers(id: string, over: { readonly value: boolean }): Promise<void> {
    const first = this.#chance.within(0, this.#workers.length - 1);
    const many = this.#chance.within(1, 2);
    const victims = Array.from({ length: many }, (_, i) => this.#workers[(first + i) % this.#workers.length]);
    const at = Date.now();
    const pids = victims.flatMap((worker) => (worker === undefined ? [] : [worker.service.pid]));
    for (const worker of victims) {
      if (worker === undefined) continue;
      worker.service.kill('SIGKILL');
      worker.service = this.#worker(worker.link);
    }
    await Promise.all(pids.map((pid) => this.#noticed('worker-kill', id, pid, at, over)));
  }

  async #freezeWorker(id: string, over: { readonly value: boolean }): Promise<void> {
    const { service } = this.#chance.pick(this.#workers);
    const pids = [service.pid, ...childrenOf(service.pid)];
    const at = Date.now();
    for (const pid of pids) signal(pid, 'SIGSTOP');
    await this.#noticed('worker-freeze', id, service.pid, at, over);
    await pause(this.#chance.within(0, 2000));
    for (const pid of pids) signal(pid, 'SIGCONT');
  }

  async #drainWorker(): Promise<void> {
    const worker = this.#chance.pick(this.#workers);
    const at = Date.now();
    const wasServing = worker.service.log().includes('serving run');
    worker.service.kill('SIGTERM');
    const code = await worker.service.ended;
    worker.service = this.#worker(worker.link);
    if (code !== 0) throw new Error(`a worker that was told to end exited with ${code}`);
    this.#time('SIGTERM → exit', Date.now() - at);
    this.#count('worker-drain', wasServing, null);
  }

  async #killCoordinator(id: string, over: { readonly value: boolean }): Promise<void> {
    // The one that carries the run is the one whose log says so last.
    const index = this.#lastTaken(id);
    const killed = this.#coordinators[index];
    if (killed === undefined) return;
    const at = Date.now();
    killed.kill('SIGKILL');
    this.#coordinators[index] = this.#coordinator();
    const line = await this.#line(over, (l) => l.time >= at && l.code === 'RESUMING');
    this.#count('coordinator-kill', line !== null, line);
    if (line !== null) await this.#committed('coordinator kill → first new iteration', id, line, at, over);
  }

  async #restartRedis(id: string, over: { readonly value: boolean }): Promise<void> {
    const at = Date.now();
    await this.#fleet.redis.kill();
    await pause(this.#chance.within(0, 3000));
    const hit = !over.value;
    await this.#fleet.redis.restart();
    const back = Date.now();
    const before = await this.#iteration(id);
    this.#count('redis-restart', hit, null);
    if (before !== null) await this.#past('Redis back → progress', id, before, back, over);
    this.#options.say(`Redis was away for ${((back - at) / 1000).toFixed(1)} s`);
  }

  async #cut(id: string, over: { readonly value: boolean }): Promise<void> {
    const worker = this.#workers.find(({ link }) => link !== null);
    if (worker?.link === undefined || worker.link === null) return;
    const at = Date.now();
    worker.link.cut();
    await this.#noticed('link-cut', id, worker.service.pid, at, over);
    await pause(this.#chance.within(0, 2000));
    worker.link.mend();
  }

  // --- what came of them ----------------------------------------------------------------------------------

  /** A worker that went silent: it counts when it took leaves along. */
  async #noticed(
    fault: Fault,
    id: string,
    pid: number,
    at: number,
    over: { readonly value: boolean },
  ): Promise<void> {
    const isOf = (line: Line): boolean =>
      (line.code === 'UNRESPONSIVE' || line.code === 'WORKER_LOST') && line.msg.includes(`:${pid}:`);
    const line = await this.#line(over, (l) => l.time >= at && isOf(l));
    const hit = line !== null && (line.leaves ?? 0) > 0;
    this.#count(fault, hit, line);
    if (hit && fault === 'worker-kill')
      await this.#committed('worker kill → its shards committed', id, line, at, over);
  }

  #count(fault: Fault, hit: boolean, line: Line | null): void {
    if (!hit) {
      this.#missed += 1;
      return;
    }
    this.#hit.set(fault, (this.#hit.get(fault) ?? 0) + 1);
    if (line?.phase !== undefined) this.#phases.set(line.phase, (this.#phases.get(line.phase) ?? 0) + 1);
    if (line !== null) this.#options.say(`${fault}: iteration ${line.iteration}, ${line.phase}: ${line.msg}`);
  }

  /** Wait until the iteration of a line is over. */
  async #committed(
    what: string,
    id: string,
    line: Line,
    at: number,
    over: { readonly value: boolean },
  ): Promise<void> {
    if (line.iteration !== undefined) await this.#past(what, id, line.iteration, at, over);
  }

  async #past(
    what: string,
    id: string,
    iteration: number,
    at: number,
    over: { readonly value: boolean },
  ): Promise<void> {
    const until = Date.now() + noticeMs;
    while (!over.value && Date.now() < until) {
      if (((await this.#iteration(id)) ?? 0) > iteration) return this.#time(what, Date.now() - at);
      await pause(20);
    }
  }

  async #iteration(id: string): Promise<number | null> {
    return this.#client
      .run(id)
      .status()
      .then(
        (status) => status?.progress?.iteration ?? null,
        () => null,
      );
  }

  #time(what: string, ms: number): void {
    this.#times.set(what, [...(this.#times.get(what) ?? []), ms]);
  }

  async #line(over: { readonly value: boolean }, matches: (line: Line) => boolean): Promise<Line | null> {
    const until = Date.now() + noticeMs;
    while (!over.value && Date.now() < until) {
      for (const { log } of this.#logs.slice(-4)) {
        const found = linesOf(log()).find(matches);
        if (found !== undefined) return found;
      }
      await pause(30);
    }
    return null;
  }

  #lastTaken(id: string): number {
    const times = this.#coordinators.map(
      ({ log }) =>
        linesOf(log()).findLast(({ msg }) => /^taking (over )?run/.test(msg) && msg.includes(id))?.time ?? 0,
    );
    return Math.max(...times) === 0 ? -1 : times.indexOf(Math.max(...times));
  }
}

/** Run a campaign. */
export async function campaign(options: CampaignOptions): Promise<Report> {
  await using fleet = await startFleet({ aof: true });
  await using link = await cutLink(fleet.redis.port);
  const log = { error: ignore, warn: ignore, info: ignore, debug: ignore };
  await using client = new Client({ redis: fleet.redis.url, storage: fleet.storage, log });
  return await new Campaign(fleet, client, [null, null, null, link], options).run();
}

const ignore = (): void => {};

/** What a log says by now, the last of it: a line that is being written is left out. */
function linesOf(log: string): readonly Line[] {
  return log
    .slice(-20_000)
    .split('\n')
    .flatMap((text) => {
      try {
        return [JSON.parse(text) as Line];
      } catch {
        return [];
      }
    });
}

async function digestOf(fleet: Fleet, folder: string): Promise<string> {
  const { loss } = JSON.parse((await fleet.file(folder, 'result.json')).toString()) as { loss: number };
  return createHash('sha256')
    .update(`${loss} `)
    .update(await fleet.file(folder, 'gradient.npz'))
    .update(await fleet.file(folder, 'optimum.npz'))
    .digest('hex');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile.
  }
}
