/** Does a run do exactly the work that `explain` predicts? */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createExample, explain, explainText, type JobObject, loadJob, run } from '../../src/index.ts';
import { evaluatorOn } from '../../src/inspect/evaluator.ts';
import { takeRows } from '../../src/inspect/problem.ts';
import { workOf } from '../../src/inspect/work.ts';
import { openEngine } from '../../src/worker/engine/discover.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { jobs, plain } from './jobs.ts';

describe('the work explained is the work counted', () => {
  test.each(Object.keys(jobs))('%s', async (name) => {
    const job = jobs[name]!;
    const { totals, traffic } = await explain(job);
    const done = await run(job, { engine: 'wasm' });
    expect(totals.forwardPairs + totals.backwardPairs).toBe(done.pairs);
    expect(traffic.totalBytes).toBe(done.bytesPerIteration);
  });

  test.each([
    'one phase',
    'two phases',
    'a maximum over tracers',
    'leapfrog',
    'an integral',
    'weights between sources',
  ])('%s, by row function, on both engines', async (name) => {
    const problem = await takeRows(await loadJob(jobs[name]!), 300);
    const { program, grid } = problem;
    const work = workOf({ program, grid, shards: 1, sourcesLeaf: true, segmentSteps: 1 << 30 });
    for (const choice of ['wasm', 'reference'] as const) {
      await using engine = await openEngine(choice, { precision: 'f64', threads: 2, memoryBytes: 2 ** 28 });
      await using evaluator = await evaluatorOn(engine, problem, { threads: 2 });
      await evaluator.evaluate();
      const { rows, pairs } = evaluator.counters();
      expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(work.map((w) => [w.function, w.rows])));
      for (const w of work) expect(pairs.get(w.function) ?? 0).toBe(w.pairs);
    }
  });

  test.each([
    ['issue-301', []],
    ['vortices', []],
    ['surface', []],
    ['mixture', []],
    ['asteroid-belt', ['integrate.steps=24']],
  ] as const)('the example %s', async (name, set) => {
    const folder = join(await temporaryFolder(), name);
    const { job } = await createExample(name, folder);
    if (name === 'asteroid-belt') await smallerBelt(folder);
    const { totals, traffic, size } = await explain(job, { set });
    const done = await run(job, { set, engine: 'wasm' });
    expect(totals.forwardPairs + totals.backwardPairs).toBe(done.pairs);
    expect(traffic.totalBytes).toBe(done.bytesPerIteration);
    expect(size.shards).toBe(done.shards);
  });

  async function smallerBelt(folder: string): Promise<void> {
    await rm(join(folder, 'belt.npz'));
    const { make } = (await import(join(folder, 'make.js'))) as {
      make: (folder: string, rows: number) => void;
    };
    make(folder, 2000);
  }
});

describe('the text', () => {
  test.each(Object.keys(jobs))('of %s fits into 100 columns', async (name) => {
    const text = explainText(await explain(jobs[name]!));
    // A combining macron takes no column.
    const widths = text.split('\n').map((line) => line.normalize('NFD').replace(/\p{M}/gu, '').length);
    expect(Math.max(...widths)).toBeLessThanOrEqual(100);
  });

  test('says how few steps are held, and that weights are many', async () => {
    expect(explainText(await explain(jobs['few steps held']!))).toMatch(
      /\d+ steps at once, the rest computed again/,
    );
    expect(explainText(await explain(jobs['weights between sources']!))).toMatch(
      /gradient of W is M² × 1 = 25 numbers/,
    );
  });

  test('takes a set with a name that every object has', async () => {
    const sets = { constructor: { z: [[1, 0.3]] } };
    const job: JobObject = {
      ...plain,
      sets,
      loss: 'mean(i, sum(j in constructor, sqdist(x, z[j])))',
      gradient: ['z'],
    };
    expect(explainText(await explain(job))).toContain('constructor');
  });

  test('can be had in parts', async () => {
    const text = explainText(await explain(jobs['one phase']!), ['jacobian']);
    expect(text.split('\n')[0]).toBe('The Jacobian of one step');
    expect(text).not.toContain('Memory');
  });
});
