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
import { Blows } from './blows.ts';
import { chaosJob, type Size } from './job.ts';
import { Processes } from './processes.ts';
import { type Fault, Strikes } from './strikes.ts';

export interface CampaignOptions {
  readonly seed: number;
  /** Faults that hit work, after which no more are made. */
  readonly faults: number;
  /** Only these. Default: all. */
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

/** Longest wait for a run to end, and then for Redis to know. */
const endMs = 400_000;
const knownMs = 15_000;

class Campaign {
  readonly #fleet: Fleet;
  readonly #client: Client;
  readonly #options: CampaignOptions;
  readonly #chance: Chance;
  readonly #strikes: Strikes;
  /** Of the runs that go on. */
  readonly #going = new Set<string>();
  readonly #different: string[] = [];
  #runs = 0;
  #striking = true;

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
    await using processes = await Processes.start(this.#fleet, counts, raw);
    processes.listen(({ from, line }) => {
      if ('runs' in from && line.doing === 'answer') this.#strikes.answered(line);
    });
    const lanes = Array.from({ length: runs }, (_, lane) => this.#lane(lane, job, expected));
    const over = Promise.all(lanes);
    await Promise.race([this.#strike(processes), over]);
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
    for (const until = Date.now() + knownMs; ; await pause(200)) {
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

  /** One fault after another, until there are enough. */
  async #strike(processes: Processes): Promise<void> {
    const { faults, secondsMax, perMinute, only, say } = this.#options;
    const [strikes, chance, going, { redis }] = [this.#strikes, this.#chance, this.#going, this.#fleet];
    const blows = new Blows({ processes, redis, strikes, chance, going, only, say });
    const gapMs = 60_000 / perMinute;
    const until = Date.now() + 1000 * secondsMax;
    while (this.#striking && strikes.total < faults && Date.now() < until) {
      const next = pause(gapMs * (0.5 + chance.next()));
      await blows.next();
      await next;
    }
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
