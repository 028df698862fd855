/** Inputs that lie elsewhere, from the command line. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { answerFile, listening } from '../http-server.ts';
import { built, skewflow } from './skewflow.ts';

beforeAll(built);

test('a host inside the network is read when it is allowed, and named otherwise', async () => {
  const npy = npyBytes('f8', [2, 1], Float64Array.of(0.3, 0.7));
  await using server = await listening((request, response) =>
    answerFile(request, response, npy, { etag: '"v1"' }),
  );
  const folder = await temporaryFolder();
  const job = `tracers: { x: ${server.url}/x.npy }\nloss: sum(i, x^2)\nprecision: f64\n`;
  await writeFile(join(folder, 'job.yaml'), job);
  const refused = await skewflow(['run', 'job.yaml'], folder);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain(`job.yaml:1:15: ${server.url}/x.npy: only https is read`);
  expect(refused.stderr).toContain(`--allow-host ${server.host}`);
  const read = await skewflow(['run', 'job.yaml', '--allow-host', server.host, '--json'], folder);
  expect(read.stderr).toBe('');
  expect((JSON.parse(read.stdout) as { loss: number }).loss).toBeCloseTo(0.58, 14);
});
