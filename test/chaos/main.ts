/**
 * npm run chaos -- [--faults 100] [--seed N] [--only worker-kill,redis-restart] [--per-minute 45] [--seconds 600]
 *                  [--runs 3] [--workers 9] [--iterations 12] [--steps 160] [--log FILE] [--quiet]
 *
 * A campaign of kills, freezes, Redis restarts and cut links; prints the seed, and whether every run had the bytes of `run`.
 */
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { built } from '../cli/skewflow.ts';
import { campaign } from './campaign.ts';
import { phases } from './position.ts';
import type { Fault } from './strikes.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    'per-minute': { type: 'string', default: '45' },
    seconds: { type: 'string', default: '600' },
    runs: { type: 'string', default: '3' },
    workers: { type: 'string', default: '9' },
    iterations: { type: 'string', default: '12' },
    steps: { type: 'string', default: '160' },
    log: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

await built();
const begun = Date.now();
const elapsed = (): string => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
console.log(`seed ${values.seed}`);
const log = values.log === undefined ? null : createWriteStream(values.log);
const { strikes, runs, different, expected } = await campaign({
  seed: Number(values.seed),
  faults: Number(values.faults),
  perMinute: Number(values['per-minute']),
  secondsMax: Number(values.seconds),
  size: { steps: Number(values.steps), iterations: Number(values.iterations) },
  runs: Number(values.runs),
  workers: Number(values.workers),
  say: values.quiet ? () => {} : (line) => console.log(`${elapsed()}: ${line}`),
  ...(log === null ? {} : { raw: (text) => log.write(text) }),
  ...(values.only === undefined ? {} : { only: values.only.split(',') as Fault[] }),
});
const { hits, missed, arrived, times } = strikes;
for (const [fault, phases] of hits) {
  const each = [...phases].map(([phase, n]) => `${n} ${phase ?? 'in none of the six'}`);
  console.log(`${fault}: ${strikes.of(fault)} hit work: ${each.join(', ')}`);
}
console.log(`${missed} faults missed; of those in post, ${arrived} answers had arrived`);
console.log(`phases hit: ${phases.map((phase) => `${strikes.in(phase)} ${phase}`).join(', ')}`);
for (const [what, all] of times) {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (p: number): string =>
    `${sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]} ms`;
  console.log(`${what}: ${sorted.length} times, p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`);
}
console.log(`${runs} runs in ${elapsed()}, ${runs - different.length} with ${expected}`);
for (const text of different) console.log(`different: ${text}`);
process.exit(different.length === 0 && runs > 0 ? 0 : 1);
