/**
 * npm run chaos -- [--faults 100] [--seed N] [--only worker-kill,redis-restart] [--iterations 200] [--seconds 600] [--quiet]
 *
 * A campaign of kills, freezes, Redis restarts and cut links; prints the seed, and whether every run had the bytes of `run`.
 */
import { parseArgs } from 'node:util';
import { built } from '../cli/skewflow.ts';
import { campaign, type Fault } from './campaign.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    iterations: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '600' },
    quiet: { type: 'boolean', default: false },
  },
});

await built();
const begun = Date.now();
console.log(`seed ${values.seed}`);
const report = await campaign({
  seed: Number(values.seed),
  faults: Number(values.faults),
  iterations: Number(values.iterations),
  secondsMax: Number(values.seconds),
  say: values.quiet ? () => {} : (line) => console.log(line),
  ...(values.only === undefined ? {} : { only: values.only.split(',') as Fault[] }),
});
const counts = (map: ReadonlyMap<string, number>): string => [...map].map(([k, n]) => `${n} ${k}`).join(', ');
console.log(`faults that hit work: ${counts(report.hit)}; ${report.missed} missed`);
console.log(`phases hit: ${counts(report.phases)}`);
for (const [what, times] of report.times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (p: number): string =>
    `${sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]} ms`;
  console.log(`${what}: ${sorted.length} times, p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`);
}
const { runs, different, expected } = report;
console.log(
  `${runs} runs in ${Math.round((Date.now() - begun) / 1000)} s, ${runs - different.length} with ${expected}`,
);
for (const text of different) console.log(`different: ${text}`);
process.exit(different.length === 0 && runs > 0 ? 0 : 1);
