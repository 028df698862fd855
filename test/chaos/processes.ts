/**
 * Which processes does a campaign strike? Coordinators and workers as a user starts them, each with a link to Redis of its own,
 * and where each of them is.
 */
import { type CutLink, cutLink } from '../faults/cut-link.ts';
import { childrenOf } from '../faults/drill.ts';
import type { Fleet, Service } from '../fleet.ts';
import {
  type Line,
  nowhere,
  type RunPosition,
  runAfter,
  type WorkerPosition,
  workerAfter,
} from './position.ts';

/** Every message to or from Redis takes so long: as far away as the next town. */
const linkMs = 30;

/** A place for a process: when one ends, the next takes its place. */
interface Place {
  readonly link: CutLink;
  readonly service: Service;
}

export interface Worker extends Place {
  at: WorkerPosition;
  /** Killed, told to end, frozen or cut off. */
  struck: boolean;
  /** Lines of its compute child that are later than this are not the worker's any more. */
  killedAt: number;
}

export interface Coordinator extends Place {
  /** The runs it was heard of with. */
  readonly runs: Map<string, RunPosition>;
}

/** A line, when the position it tells is known. */
export interface Heard {
  readonly from: Coordinator | Worker;
  readonly line: Line;
}

export class Processes implements AsyncDisposable {
  readonly workers: Worker[] = [];
  readonly coordinators: Coordinator[] = [];
  readonly #fleet: Fleet;
  readonly #listeners = new Set<(heard: Heard) => void>();
  readonly #raw: (text: string) => void;

  private constructor(fleet: Fleet, raw: (text: string) => void) {
    this.#fleet = fleet;
    this.#raw = raw;
  }

  /** @param raw - given everything that is logged */
  static async start(
    fleet: Fleet,
    counts: { readonly workers: number; readonly coordinators: number },
    raw: (text: string) => void,
  ): Promise<Processes> {
    const made = new Processes(fleet, raw);
    for (let n = 0; n < counts.coordinators; n++)
      made.coordinators.push(made.#coordinator(await cutLink(fleet.redis.port, linkMs)));
    for (let n = 0; n < counts.workers; n++)
      made.workers.push(made.#worker(await cutLink(fleet.redis.port, linkMs)));
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { link } of [...this.workers, ...this.coordinators]) await link[Symbol.asyncDispose]();
  }

  /** Call with every line of every process from now on. */
  listen(listener: (heard: Heard) => void): void {
    this.#listeners.add(listener);
  }

  /** The first that a line comes to, or null when none does for so long. */
  first<T>(ms: number, found: (heard: Heard) => T | null): Promise<T | null> {
    return new Promise((resolve) => {
      const end = (value: T | null): void => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve(value);
      };
      const listener = (heard: Heard): void => {
        const value = found(heard);
        if (value !== null) end(value);
      };
      const timer = setTimeout(end, ms, null);
      this.#listeners.add(listener);
    });
  }

  /** Kill a worker, start another in its place; resolves with where it was, to its last line. */
  async kill(worker: Worker): Promise<{ readonly at: WorkerPosition; readonly killedAt: number }> {
    worker.struck = true;
    worker.killedAt = Date.now();
    worker.service.kill('SIGKILL');
    this.replace(worker);
    // Its pipe closes when its compute child has seen that it is gone, and has ended too.
    await worker.service.silent;
    return worker;
  }

  /** Another worker takes the place of one that ends. */
  replace(worker: Worker): void {
    const place = this.workers.indexOf(worker);
    if (place >= 0) this.workers[place] = this.#worker(worker.link);
  }

  killCoordinator(coordinator: Coordinator): void {
    coordinator.service.kill('SIGKILL');
    const place = this.coordinators.indexOf(coordinator);
    if (place >= 0) this.coordinators[place] = this.#coordinator(coordinator.link);
  }

  /** Stop a worker and its compute child, or let them go on. */
  signal({ service }: Worker, name: 'SIGCONT' | 'SIGSTOP'): void {
    for (const pid of [service.pid, ...childrenOf(service.pid)]) {
      try {
        process.kill(pid, name);
      } catch {
        // It ended meanwhile.
      }
    }
  }

  #worker(link: CutLink): Worker {
    const service = this.#start(['worker', '--threads', '1', '--engine', 'wasm'], link, 'trace');
    const worker: Worker = { link, service, at: nowhere, struck: false, killedAt: Number.POSITIVE_INFINITY };
    this.#listen(service, (line) => {
      if (line.time <= worker.killedAt) worker.at = workerAfter(worker.at, line);
      this.#tell({ from: worker, line });
    });
    return worker;
  }

  #coordinator(link: CutLink): Coordinator {
    const service = this.#start(['coordinator'], link, 'debug');
    const coordinator: Coordinator = { link, service, runs: new Map() };
    this.#listen(service, (line) => {
      const { run } = line;
      if (run !== undefined) {
        const before = coordinator.runs.get(run) ?? { iteration: 0, phase: null, keeping: false };
        coordinator.runs.set(run, runAfter(before, line));
      }
      this.#tell({ from: coordinator, line });
    });
    return coordinator;
  }

  #start(args: readonly string[], link: CutLink, level: string): Service {
    return this.#fleet.start(args, { REDIS_URL: link.url, SKEWFLOW_LOG: level });
  }

  #tell(heard: Heard): void {
    for (const listener of this.#listeners) listener(heard);
  }

  #listen(service: Service, take: (line: Line) => void): void {
    let rest = '';
    service.hear((text) => {
      this.#raw(text);
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const text of lines) {
        const line = parsed(text);
        if (line !== null) take(line);
      }
    });
  }
}

function parsed(text: string): Line | null {
  try {
    return JSON.parse(text) as Line;
  } catch {
    return null;
  }
}
