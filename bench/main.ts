/**
 * How fast is it, as ratios within one run? `npm run bench [-- --only NAME] [--json FILE]`.
 *
 * Every figure is the median of at least five, the native peers in the same run on the same machine. Prints a table
 * and writes JSON with the machine in it (default: bench-results.json in the working folder).
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gaussianSum, lddmm, lddmmSources, untuned } from './jobs.ts';
import { machine, median } from './machine.ts';
import { Native } from './native/run.ts';
import { warm } from './warm.ts';

interface Row {
  readonly what: string;
  readonly seconds: number;
  readonly native: number | null;
  /** native ÷ ours: 1 is as fast as native. */
  readonly ratio: number | null;
  readonly target: string;
  readonly note: string;
}

const threads = availableParallelism();
const rows: Row[] = [];
const { argv } = process;
const option = (name: string): string | null =>
  argv.includes(name) ? (argv[argv.indexOf(name) + 1] ?? null) : null;
const only = option('--only');
const wanted = (name: string): boolean => only === null || name.includes(only);

function add(what: string, seconds: number, native: number | null, target: string, note = ''): void {
  const ratio = native === null ? null : native / seconds;
  rows.push({ what, seconds, native, ratio, target, note });
  const cells = [
    what.padEnd(48),
    ms(seconds).padStart(10),
    (native === null ? '' : ms(native)).padStart(10),
    (ratio === null ? '' : ratio.toFixed(2)).padStart(6),
    target.padEnd(14),
    note,
  ];
  process.stdout.write(`${cells.join('  ')}\n`);
}

const ms = (seconds: number): string => `${(seconds * 1000).toPrecision(3)} ms`;

if (!Native.available()) {
  process.stderr.write('bench: gcc is not here; install it for the native peers\n');
  process.exit(2);
}
using native = new Native();
process.stdout.write(`${JSON.stringify(machine())}, ${threads} threads, f32\n`);
process.stdout.write(
  `${'what'.padEnd(48)}  ${'skewflow'.padStart(10)}  ${'native C'.padStart(10)}  ${'ratio'.padStart(6)}  target\n`,
);

if (wanted('sum')) {
  await using job = await warm(gaussianSum(16_384, 1024), threads);
  add(
    'Gaussian sum, N = 16384, M = 1024',
    await job.time('sums', 15),
    native.lddmm('sum', 16_384, 1024, 1, 15).seconds,
    '≥ 0.35',
  );
}

for (const [n, m, steps, repeats, target] of [
  [1000, 100, 100, 11, '≥ 0.4'],
  [100_000, 100, 20, 5, '≥ 0.37'],
] as const) {
  if (!wanted('gradient')) continue;
  await using job = await warm(lddmm(n, m, steps), threads);
  const forward = await job.time('sums', repeats);
  const gradient = await job.time('gradient', repeats);
  const size = `N = ${n}, M = ${m}, T = ${steps}`;
  add(`loss, ${size}`, forward, native.lddmm('forward', n, m, steps, repeats).seconds, '');
  add(
    `loss + gradient, ${size}`,
    gradient,
    native.lddmm('gradient', n, m, steps, repeats).seconds,
    target,
    `gradient ÷ forward ${(gradient / forward).toFixed(2)} (≤ 3.4)`,
  );
}

for (const [m, steps] of [
  [100, 100],
  [662, 10],
  [6611, 10],
] as const) {
  if (!wanted('sources')) continue;
  await using job = await warm(lddmmSources(m, steps), threads);
  const repeats = m > 1000 ? 5 : 11;
  add(
    `sources' sweep, M = ${m}, T = ${steps}`,
    await job.time('gradient', repeats),
    native.lddmm('sources', 1, m, steps, repeats).seconds,
    '',
    m > 256 ? '(native: one thread)' : '',
  );
}

if (wanted('untuned')) {
  const ratios: number[] = [];
  for (const [name, job] of Object.entries(untuned)) {
    await using held = await warm(job, threads);
    const peer = await native.generated(held.prepared, 'gradient', 5);
    const seconds = await held.time('gradient', 5);
    const loss = await held.loss();
    if (!(Math.abs(peer.loss - loss) < 1e-3 * Math.abs(loss)))
      throw new Error(`${name}: the peer computes ${peer.loss}, not ${loss}`);
    ratios.push(peer.seconds / seconds);
    add(`untuned: ${name}`, seconds, peer.seconds, '≥ 0.2');
  }
  const mean = Math.exp(ratios.reduce((s, r) => s + Math.log(r), 0) / ratios.length);
  process.stdout.write(
    `untuned, geometric mean ${mean.toFixed(2)} (≥ 0.3), least ${Math.min(...ratios).toFixed(2)} (≥ 0.2)\n`,
  );
}

if (wanted('cold')) {
  execFileSync('npm', ['run', 'build', '--silent'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const folder = mkdtempSync(join(tmpdir(), 'skewflow-cold-'));
  const seconds = Array.from({ length: 7 }, () => {
    const begin = performance.now();
    const { status } = spawnSync(process.execPath, [
      'bin/skewflow.js',
      'run',
      'examples/issue-301/job.yaml',
      '--out',
      join(folder, 'out'),
      '--force',
    ]);
    if (status !== 0) throw new Error('the cold start failed');
    return (performance.now() - begin) / 1000;
  });
  rmSync(folder, { recursive: true });
  add('cold: skewflow run examples/issue-301', median(seconds), null, '≤ 700 ms');
}

if (wanted('memory')) {
  for (const n of [100_000, 1_000_000]) {
    const { stdout } = spawnSync(
      process.execPath,
      ['--import', 'tsx', join(import.meta.dirname, 'peak-memory.ts'), `${n}`],
      { encoding: 'utf8' },
    );
    const bytes = Number(stdout);
    const states = n * 3 * 4 * 20;
    process.stdout.write(
      `peak memory, N = ${n}, T = 20: ${(bytes / 2 ** 20).toFixed(0)} MiB (all states of all rows would be ${(states / 2 ** 20).toFixed(0)} MiB more)\n`,
    );
    rows.push({
      what: `peak memory, N = ${n}`,
      seconds: 0,
      native: null,
      ratio: null,
      target: 'grows with rows, not N·T',
      note: `${bytes} bytes`,
    });
  }
}

if (wanted('peers')) {
  for (const peer of ['lddmm_jax.py', 'lddmm_keops.py']) {
    for (const [n, m, steps, repeats] of [
      [1000, 100, 100, 7],
      [100_000, 100, 20, 5],
    ] as const) {
      const { status, stdout } = spawnSync(
        process.env['SKEWFLOW_BENCH_PYTHON'] ?? 'python3',
        [join(import.meta.dirname, 'peers', peer), ...[n, m, steps, repeats].map(String)],
        { encoding: 'utf8' },
      );
      const last = stdout.trim().split('\n').at(-1) ?? '';
      if (status !== 0 || !last.startsWith('{')) {
        process.stdout.write(
          `${peer}: not here, left out (SKEWFLOW_BENCH_PYTHON names a Python that has it)\n`,
        );
        break;
      }
      const result = JSON.parse(last) as { peer: string; forward: number; gradient: number };
      const ours = rows.find((r) => r.what === `loss + gradient, N = ${n}, M = ${m}, T = ${steps}`);
      add(
        `${result.peer}: gradient, N = ${n}`,
        result.gradient,
        null,
        '',
        ours === undefined ? '' : `skewflow is ${(result.gradient / ours.seconds).toFixed(1)} × faster`,
      );
    }
  }
}

const file = option('--json') ?? 'bench-results.json';
writeFileSync(
  file,
  `${JSON.stringify({ machine: machine(), threads, date: new Date().toISOString(), rows }, null, 2)}\n`,
);
process.stdout.write(`written: ${file}\n`);
