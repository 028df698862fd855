/** Whatever a job says, it is read or refused with an error of the project: nothing crashes. */
import fc from 'fast-check';
import { test } from 'vitest';
import { isSkewflowError } from '../../src/errors.ts';
import { closeJob, jobFromObject, jobOf } from '../../src/job/load.ts';
import { parseJobText } from '../../src/job/yaml-document.ts';
import { sound } from './jobs.ts';

async function readOrRefused(read: () => Promise<Awaited<ReturnType<typeof jobOf>>>): Promise<void> {
  try {
    await closeJob(await read());
  } catch (error) {
    if (!isSkewflowError(error)) throw error;
  }
}

const rich = `${sound}pairs: { W: 2 }
sets: { target: { z: [[1, 2, 3], [4, 5, 6]] } }
values: { d: "sum(j in target, sqdist(x, z[j]))" }
optimize: { over: [p], bounds: { p: [-1, 1] } }
output: { save: [final] }
`;

/** A piece of the text replaced by a piece of something. */
const mutation = fc.record({
  at: fc.nat(rich.length),
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
      'rows',
      '\u0000',
      '\ud800',
      '<<: ',
    ),
    fc.string({ maxLength: 6 }),
  ),
});

test('any damage to a job file', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
      let text = rich;
      for (const { at, length, piece } of mutations)
        text = text.slice(0, at) + piece + text.slice(at + length);
      await readOrRefused(async () => jobOf(parseJobText(text, 'job.yaml', [])));
    }),
    { numRuns: 400 },
  );
});

test('any object', async () => {
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
  ];
  const job = fc.dictionary(
    fc.constantFrom(...keys),
    fc.oneof(anything, fc.dictionary(fc.constantFrom('x', 'rows', 'y'), anything)),
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(anything, job), async (object) => {
      await readOrRefused(() => jobFromObject(object as never));
    }),
    { numRuns: 400 },
  );
});
