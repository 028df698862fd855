/**
 * npm run simulate -- [--seeds 100000] [--from 1] [--seed N --trace]
 *
 * Worlds by the thousand, each from a seed; prints the seeds of those that came to a wrong end. One seed with `--trace` tells
 * everything that happens in it.
 */
import { parseArgs } from 'node:util';
import { simulate } from './world.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

if (values.seed === undefined) await campaign(Number(values.from), Number(values.seeds));
else await one(Number(values.seed), values.trace);

async function campaign(from: number, seeds: number): Promise<void> {
  const begun = performance.now();
  const kinds = new Map<string, number>();
  let wrong = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    const { breaches, kind } = await simulate(seed);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    if (breaches.length === 0) continue;
    wrong += 1;
    if (wrong <= 20) console.log(`seed ${seed} (${kind}): ${breaches.join('; ')}`);
  }
  const seconds = (performance.now() - begun) / 1000;
  const counts = [...kinds].map(([kind, n]) => `${n} ${kind}`).join(', ');
  console.log(
    `${seeds} worlds from seed ${from} in ${seconds.toFixed(1)} s, ${(seeds / seconds).toFixed(0)} a second: ${counts}`,
  );
  console.log(wrong === 0 ? 'all came to the right end' : `${wrong} came to a wrong end`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

async function one(seed: number, traced: boolean): Promise<void> {
  const report = await simulate(seed, undefined, traced ? (line) => console.log(line) : null);
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.breaches.length === 0 ? 0 : 1;
}
