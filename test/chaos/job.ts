/**
 * What do campaigns compute? A fit in f32 with 16 shards of two blocks, ragged, whose sums f32 does not hold exactly; its
 * observations, one slice a step, are read from a file.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { coupledFlow } from '../faults/drill.ts';
import type { Chance } from '../simulator/chance.ts';

const rows = 4700;

/** How long an iteration takes: a block of 256 rows takes a core some 0.1 ms a step. */
export interface Size {
  readonly steps: number;
  readonly iterations: number;
}

/** Write the observations into a folder; the text of the job. */
export async function chaosJob(folder: string, chance: Chance, { steps, iterations }: Size): Promise<string> {
  const seen = Float64Array.from({ length: (steps + 1) * rows * 2 }, () => 2 * chance.next() - 1);
  await writeFile(join(folder, 'seen.npy'), npyBytes('f4', [steps + 1, rows, 2], seen));
  const seed = chance.within(1, 1_000_000);
  return `
name: chaos
sources: { q: { uniform: [-1, 1], dim: 2, seed: ${seed} }, p: { normal: [0, 0.1], dim: 2, seed: 2 }, rows: 64 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: ${rows} }
${coupledFlow}
integrate: { scheme: ralston, from: 0, to: 1, steps: ${steps} }
loss: [{ at: every step, value: "mean(i, sqdist(x, seen))", with: { seen: seen.npy } }]
gradient: [q, p, sigma]
shards: 16
optimize: { over: [p], method: adam, rate: 1e-3, iterations: ${iterations}, gradientTolerance: 0, decreaseTolerance: 0 }
`;
}
