import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { jobOf } from '../../src/job/load.ts';
import { parseJobText } from '../../src/job/yaml-document.ts';
import { prepare } from '../../src/prepare.ts';
import { Iteration, ParameterDigest, protocolVersion, RunId } from '../../src/protocol.ts';
import { assignmentOf } from '../../src/worker/assignment.ts';
import { openReferenceEngine } from '../../src/worker/engine/reference/engine.ts';
import { type Taker, Workbench } from '../../src/worker/workbench.ts';

const text = `
sources: { y: { normal: [0, 1], seed: 1 }, rows: 3 }
tracers: { x: { normal: [0, 1], seed: 2 }, rows: 40 }
flow: { x: "sum(j, exp(-sqdist(x, y[j])))" }
integrate: { scheme: euler, from: 0, to: 1, steps: 2 }
loss: mean(i, sqnorm(x))
gradient: [y]
shards: 2
`;

it('drops a shard whose rows are still being read when its run is over', async () => {
  const prepared = await prepare(await jobOf(parseJobText(text, 'job.yaml', [])));
  const means = { engine: 'reference', threads: 1, memoryBytes: 2 ** 30 } as const;
  const work = assignmentOf(prepared, means, { write: async () => {}, flush: async () => {} });
  let begun = (): void => {};
  const reading = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const never = async (): Promise<never> => {
    begun();
    return new Promise<never>(() => {});
  };
  await using bench = new Workbench({ ...work, readRows: never }, openReferenceEngine(), 1000);
  const iteration = Iteration.parse({
    protocolVersion,
    run: RunId.parse('a'.repeat(32)),
    epoch: 1,
    number: 0,
    phase: 'gradient',
    parameterDigest: ParameterDigest.parse('b'.repeat(64)),
    fields: prepared.fields,
    times: null,
    sums: null,
    seeds: null,
    rows: { gradient: [], final: false, trajectory: [], values: false },
  });
  const posted: unknown[] = [];
  const taker: Taker = { post: async (answers) => void posted.push(answers), beat: turn, doing: () => {} };
  const over = new AbortController();
  const evaluated = bench.evaluate(iteration, [0, 1], false, taker, over.signal);
  await reading;
  over.abort(new Error('cancelled'));
  await expect(evaluated).rejects.toThrow('cancelled');
  expect([posted, bench.residentBytes]).toEqual([[], 0]);
});
