/**
 * npm run simulate -- [--seeds 100000] [--from 1] [--processes 2] [--mutant NAME] [--seed N --trace]
 *
 * Worlds by the thousand, each from a seed, on all cores; prints the seeds of those that came to a wrong end. One seed with
 * `--trace` tells everything that happens in it. With the name of a mutant they are worlds with a bug.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { surveyTogether } from './crew.ts';
import { mutants, sound } from './mutants.ts';
import { nothingFound, together } from './survey.ts';
import type { Commission } from './surveyor.ts';
import { simulate } from './world.ts';

/** About a second of work. */
const rangeSeeds = 250;
/** Wrong ends that are told in full. */
const toldMax = 20;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100000' },
    from: { type: 'string', default: '1' },
    processes: { type: 'string', default: `${availableParallelism()}` },
    mutant: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

const mutant = values.mutant ?? null;
if (mutant !== null && mutants[mutant] === undefined) {
  throw new Error(`no mutant has the name '${mutant}'; there are: ${Object.keys(mutants).join('; ')}`);
}
if (values.seed === undefined) {
  const asked = { from: Number(values.from), count: Number(values.seeds), mutant };
  await campaign(asked, Number(values.processes));
} else await one(Number(values.seed), values.trace);

async function campaign(asked: Commission, processes: number): Promise<void> {
  const begun = performance.now();
  let all = nothingFound;
  await surveyTogether({ ...asked, processes, rangeSeeds }, (findings) => {
    const room = Math.max(0, toldMax - all.wrong.length);
    for (const { seed, kind, breaches } of findings.wrong.slice(0, room)) {
      console.log(`seed ${seed} (${kind}): ${breaches.join('; ')}`);
    }
    all = together(all, findings);
  });
  const { from, count } = asked;
  const wrong = all.wrong.length;
  const seconds = (performance.now() - begun) / 1000;
  console.log(
    `${count} worlds from seed ${from} in ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} a second: ${told(all.kinds)}`,
  );
  console.log(`met in so many of them: ${told(all.met)}`);
  console.log(wrong === 0 ? 'all came to the right end' : `${wrong} came to a wrong end`);
  process.exitCode = wrong === 0 ? 0 : 1;
}

function told(counts: Readonly<Record<string, number>>): string {
  const names = Object.keys(counts).sort();
  return names.map((name) => `${counts[name]} ${name}`).join(', ');
}

async function one(seed: number, traced: boolean): Promise<void> {
  const mutations = mutant === null ? sound : mutants[mutant];
  const report = await simulate(seed, mutations, traced ? (line) => console.log(line) : null);
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.breaches.length === 0 ? 0 : 1;
}
