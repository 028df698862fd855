/**
 * How fast is a GPU, and are its bits always the same? `npm run bench:gpu -- [options]`.
 *
 *   --device 0                which GPU, as `skewflow devices` numbers them (default: the first hardware GPU)
 *   --software                let it be a software adapter: proves the script, and measures nothing of interest
 *   --rows 1000,100000,1000000,10000000  --sources 100,1000  --steps 10  --repeats 5  --restarts 20
 *   --sums 100000x100000,1000000x10000   Gaussian sums without time: rows × bound rows
 *   --patience 60             seconds that a peer may take for a size
 *   --json FILE               default bench-gpu-results.json
 *
 * In this order: the self-test against the reference; the bits over that many processes, each killed after its answer; then
 * pairs a second of the loss and of loss + gradient, beside the limit of the card and beside KeOps and JAX on the same card in
 * the same run. Exits with 1 when the self-test or the bits fail: a wrong result has no speed.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { devices } from '../../src/inspect/devices.ts';
import type { JobObject } from '../../src/job/schema.ts';
import { type Log, logTo } from '../../src/log.ts';
import { version } from '../../src/version.ts';
import { type ChildEngine, openChildEngine } from '../../src/worker/child/remote-engine.ts';
import { findGpus, type Gpu } from '../../src/worker/engine/dawn/adapters.ts';
import type { Partial } from '../../src/worker/engine/engine.ts';
import { gaussianSum, lddmm } from '../jobs.ts';
import { machine } from '../machine.ts';
import { type Warm, warm } from '../warm.ts';
import { limitsOfCard } from './limits.ts';
import { type Peer, runPeers } from './peers.ts';

const { values: given } = parseArgs({
  options: {
    device: { type: 'string' },
    software: { type: 'boolean', default: false },
    rows: { type: 'string', default: '1000,100000,1000000,10000000' },
    sources: { type: 'string', default: '100,1000' },
    steps: { type: 'string', default: '10' },
    sums: { type: 'string', default: '100000x100000,1000000x10000' },
    patience: { type: 'string', default: '60' },
    repeats: { type: 'string', default: '5' },
    restarts: { type: 'string', default: '20' },
    json: { type: 'string', default: 'bench-gpu-results.json' },
  },
});

/** How long a job is called before its time is taken: JavaScript becomes fast as it runs, which a compiled peer is at once. */
const settleSeconds = 0.3;

/** One size. Seconds are medians; a pair is own row × source × step. */
interface Row {
  readonly n: number;
  readonly m: number;
  readonly steps: number;
  readonly pairs: number;
  readonly sums: Measured;
  /** null: nothing is differentiated. */
  readonly gradient: Measured | null;
  readonly peers: readonly Peer[];
}

interface Measured {
  /** As the first calls of a process take: the median after two that are not counted. */
  readonly early: number;
  /** As later ones do, of an optimizer's say: the median after `settleSeconds`. */
  readonly seconds: number;
  readonly pairsPerSecond: number;
  /** Of the limit of the card; null where that is not known. */
  readonly ofLimit: number | null;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const gpu = await chosenGpu();
const { adapter } = gpu;
say(`${adapter.name}, ${adapter.driver}${adapter.software ? ' (software: no figure here is a GPU’s)' : ''}`);
say(`${JSON.stringify(machine())}, skewflow ${version}, f32`);

const tested = (await devices()).find((d) => d.gpu?.index === gpu.index);
say(`self-test: ${tested?.description ?? 'the GPU is gone'}`);
const repeated = await sameBits(Number(given.restarts));
say(
  `bits over ${given.restarts} processes: ${repeated.same ? 'the same' : 'DIFFERENT'} (${repeated.digest})`,
);
if (tested?.usable !== true || !repeated.same) process.exit(1);

const limits = limitsOfCard(adapter.name);
say(`limit of the card: ${limits === null ? 'not derived' : `${gigapairs(limits.sums)} Gpair/s forward`}\n`);
const rows: Row[] = [];
/** What is measured is written at once: a machine that is lent is taken back without a word. */
const keep = (row: Row): void => {
  rows.push(row);
  writeFileSync(
    given.json,
    `${JSON.stringify({ machine: machine(), version, adapter, place: gpu.place, numerics: tested.precisions[0]?.numerics, repeated, limits, rows }, null, 2)}\n`,
  );
};
// The size of KeOps issue 301, where what counts is how little a launch costs.
keep(await measured(lddmm(1000, 100, 100), 1000, 100, 100));
for (const size of given.sums.split(',').filter((s) => s !== '')) {
  const [n = 0, m = 0] = size.split('x').map(Number);
  keep(await measured(gaussianSum(n, m), n, m, 0));
}
for (const n of numbers(given.rows)) {
  for (const m of numbers(given.sources)) {
    const steps = Number(given.steps);
    keep(await measured(lddmm(n, m, steps), n, m, steps));
  }
}
say(`\nwritten to ${given.json}`);
process.exit(0);

// --- the GPU ----------------------------------------------------------------------------------------------

async function chosenGpu(): Promise<Gpu> {
  const { gpus, notes } = await findGpus();
  for (const note of notes) process.stderr.write(`${note}\n`);
  const index = given.device === undefined ? null : Number(given.device);
  const found = gpus.find((g) =>
    index === null ? given.software || !g.adapter.software : g.index === index,
  );
  if (found !== undefined && (given.software || !found.adapter.software)) return found;
  process.stderr.write('bench: no hardware GPU here; --software takes a software adapter\n');
  process.exit(3);
}

/** `log`: what is said of processes that end; of those that are killed on purpose, nothing. */
function open(log: Log): Promise<ChildEngine> {
  return openChildEngine({
    device: { engine: 'webgpu', backend: adapter.backend, adapter: adapter.name },
    environment: gpu.environment,
    precision: 'f32',
    threads: 1,
    memoryBytes: 2 ** 36,
    log,
  });
}

// --- bits -------------------------------------------------------------------------------------------------

/** One evaluation in each of so many processes. */
async function sameBits(
  processes: number,
): Promise<{ readonly processes: number; readonly same: boolean; readonly digest: string }> {
  const digests = new Set<string>();
  const engine = await open(logTo('error'));
  await using job = await warm({ ...lddmm(5000, 100, 5), shards: 4 }, 1, async () => engine);
  for (let n = 0; n < processes; n++) {
    digests.add(digestOf(await job.evaluate('gradient')));
    const { pid } = engine;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    // The end of a process that nobody asks anything is heard of when the event loop turns.
    while (engine.pid !== undefined) await setTimeout(5);
  }
  return { processes, same: digests.size === 1, digest: [...digests][0]?.slice(0, 16) ?? '' };
}

function digestOf(partials: readonly Partial[]): string {
  const hash = createHash('sha256');
  for (const p of [...partials].sort((a, b) => String(a.leaf).localeCompare(String(b.leaf)))) {
    hash.update(`${p.leaf} ${p.kind}`);
    if (p.kind !== 'partial') continue;
    for (const array of [p.sums, p.gradient])
      hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  return hash.digest('hex');
}

// --- speed ------------------------------------------------------------------------------------------------

/** `steps`: of time; 0: a sum without it. */
async function measured(job: JobObject, n: number, m: number, steps: number): Promise<Row> {
  const repeats = Number(given.repeats);
  const pairs = n * m * Math.max(1, steps);
  const withGradient = job.gradient !== undefined;
  await using held = await warm(job, 1, () => open(logTo('warn')));
  const sums = await figures(held, 'sums', pairs, repeats);
  const gradient = withGradient ? await figures(held, 'gradient', pairs, repeats) : null;
  const size = steps === 0 ? `N = ${n}, M = ${m}` : `N = ${n}, M = ${m}, T = ${steps}`;
  line(`loss, ${size}`, sums);
  if (gradient !== null) {
    const ratio = (gradient.seconds / sums.seconds).toFixed(2);
    line(`loss + gradient, ${size}`, gradient, `gradient ÷ forward ${ratio}`);
  }
  const scripts = steps === 0 ? ['sum_keops.py'] : ['lddmm_keops.py', 'lddmm_jax.py'];
  const folder = join(import.meta.dirname, '../peers');
  const { peers, missing } = runPeers(
    folder,
    scripts,
    { n, m, steps, repeats },
    1000 * Number(given.patience),
  );
  for (const why of missing) say(`    ${why}`);
  for (const peer of peers) {
    const forward = `${ms(peer.forward)}: skewflow is ${(peer.forward / sums.seconds).toFixed(1)} × as fast`;
    const both =
      gradient === null
        ? ''
        : `; gradient ${ms(peer.gradient)}: ${(peer.gradient / gradient.seconds).toFixed(1)} ×`;
    say(`    ${peer.peer}: ${forward}${both}`);
  }
  return { n, m, steps, pairs, sums, gradient, peers };
}

async function figures(
  job: Warm,
  want: 'gradient' | 'sums',
  pairs: number,
  repeats: number,
): Promise<Measured> {
  const early = await job.time(want, repeats);
  const seconds = await job.time(want, repeats, settleSeconds);
  const pairsPerSecond = pairs / seconds;
  return { early, seconds, pairsPerSecond, ofLimit: limits === null ? null : pairsPerSecond / limits[want] };
}

function line(what: string, { early, seconds, pairsPerSecond, ofLimit }: Measured, note = ''): void {
  const share = ofLimit === null ? '' : `${(100 * ofLimit).toFixed(0)} % of the limit`;
  const cells = [
    what.padEnd(52),
    ms(seconds).padStart(10),
    `(early ${ms(early)})`.padStart(18),
    `${gigapairs(pairsPerSecond)} Gpair/s`.padStart(16),
    share,
    note,
  ];
  say(cells.join('  ').trimEnd());
}

function numbers(text: string): readonly number[] {
  return text.split(',').map(Number);
}

function ms(seconds: number): string {
  return `${(seconds * 1000).toPrecision(3)} ms`;
}

function gigapairs(pairsPerSecond: number): string {
  return (pairsPerSecond / 1e9).toPrecision(3);
}
