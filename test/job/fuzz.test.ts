/** Whatever a job says, it is read or refused with an error of the project, at once: nothing crashes. 50 000 jobs a run. */
import fc from 'fast-check';
import { afterAll, beforeAll, test } from 'vitest';
import { isSkewflowError } from '../../src/errors.ts';
import { closeJob, jobFromObject, jobOf } from '../../src/job/load.ts';
import { parseJobText } from '../../src/job/yaml-document.ts';
import { expectNothingPolluted, refuseSlowly, traceNoStacks } from '../setup/slow.ts';
import { sound } from './jobs.ts';

/** Some seconds of work, on a machine that is busy elsewhere, too. */
const limits = { timeout: 300_000 };

beforeAll(traceNoStacks);
afterAll(expectNothingPolluted);

function readOrRefused(read: () => ReturnType<typeof jobOf>): Promise<void> {
  return refuseSlowly(async () => {
    try {
      await closeJob(await read());
    } catch (error) {
      if (!isSkewflowError(error)) throw error;
    }
  });
}

const rich = `${sound}pairs: { W: 2 }
sets: { target: { z: [[1, 2, 3], [4, 5, 6]] } }
values: { d: "sum(j in target, sqdist(x, z[j]))" }
optimize: { over: [p], bounds: { p: [-1, 1] } }
output: { save: [final] }
`;

/** As little as a job can be: most of what is damaged is still YAML. */
const small = `sources: { q: [[0, 1]] }
tracers: { x: [[1, 2]] }
flow: { x: "mean(j, q[j] - x)" }
integrate: { scheme: rk4, from: 0, to: 1, steps: 2 }
loss: sum(i, sqnorm(x))
gradient: [q]
`;

/** A piece of the text replaced by a piece of something. */
const mutation = fc.record({
  at: fc.nat(),
  length: fc.nat(12),
  piece: fc.oneof(
    fc.constantFrom(
      '[',
      ']',
      '{',
      '}',
      ':',
      ': ',
      '\n',
      '\n  ',
      '- ',
      '*a',
      '&a ',
      '|',
      '"',
      "'",
      '#',
      ',',
      '!!x ',
      '~',
      '.nan',
      '1e999',
      '-',
      '__proto__',
      'constructor',
      'prototype',
      'rows',
      '\u0000',
      '\ud800',
      '<<: ',
    ),
    fc.string({ maxLength: 6 }),
  ),
});

test.each([
  ['3 000 times to a job of everything', rich, 3000],
  ['37 000 times to a small job', small, 37_000],
])('any damage, %s', limits, async (_, job, numRuns) => {
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
      let text = job;
      for (const { at, length, piece } of mutations) {
        const place = at % job.length;
        text = text.slice(0, place) + piece + text.slice(place + length);
      }
      await readOrRefused(async () => jobOf(parseJobText(text, 'job.yaml', [])));
    }),
    { numRuns },
  );
});

test('any object, 10 000 of them', limits, async () => {
  const anything = fc.anything({
    withTypedArray: true,
    withBigInt: true,
    withDate: true,
    withMap: true,
    maxDepth: 3,
  });
  const keys = [
    'sources',
    'tracers',
    'sets',
    'pairs',
    'params',
    'let',
    'flow',
    'integrate',
    'loss',
    'gradient',
    'values',
    'output',
    'optimize',
    'shards',
    'memory',
    'name',
    '__proto__',
    'constructor',
  ];
  const job = fc.dictionary(
    fc.constantFrom(...keys),
    fc.oneof(anything, fc.dictionary(fc.constantFrom('x', 'rows', 'y'), anything)),
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(anything, job), async (object) => {
      await readOrRefused(() => jobFromObject(object as never));
    }),
    { numRuns: 10_000 },
  );
});
