import { describe, expect, test } from 'vitest';
import { SkewflowError } from '../../src/errors.ts';
import { closeJob, loadJob } from '../../src/job/load.ts';
import { ownRowAdvice, singularOwnRows, withOwnRowAdvice } from '../../src/job/own-row.ts';
import type { System } from '../../src/kernels/system.ts';

async function systemOf(flow: string, loss = 'sum(j, sqnorm(q))'): Promise<System> {
  const job = await loadJob({
    object: {
      sources: { q: { normal: [0, 1], dim: 2, seed: 3 }, m: { uniform: [0.1, 0.7], seed: 5 }, rows: 4 },
      params: { soft: 0.31 },
      flow: { q: flow },
      integrate: { scheme: 'heun', from: 0, to: 1, steps: 3 },
      loss,
      gradient: ['m'],
    },
  });
  await closeJob(job);
  return job.system;
}

describe('a source that meets itself in a sum over sources', () => {
  test.each([
    ['is 0/0', 'sum(k, m[k] * (q[k] - q) / norm(q[k] - q)^3)'],
    ['is 1/0', 'sum(k, m[k] / sqdist(q, q[k]) * q[k])'],
    ['is log 0 in a mean', 'mean(k, log(sqdist(q[k], q)) * m[k] * q)'],
  ])('%s: the flow is named', async (_, flow) => {
    const found = singularOwnRows(await systemOf(flow));
    expect(found).toEqual([{ formula: 'the flow of `q`', what: 'state' }]);
    expect(found.map(ownRowAdvice)[0]).toMatch(/the flow of `q`.*`sum\(k != j, …\)`/);
  });

  test.each([
    ['is left out', 'sum(k != j, m[k] * (q[k] - q) / norm(q[k] - q)^3)'],
    ['is softened', 'sum(k, m[k] * (q[k] - q) / (sqdist(q, q[k]) + soft^2)^1.5)'],
    ['is 0 / (0 + m)', 'sum(k, (q[k] - q) / (norm(q[k] - q) + m[k]))'],
  ])('%s: nothing is said', async (_, flow) => {
    expect(singularOwnRows(await systemOf(flow))).toEqual([]);
  });

  test('is found in a loss over pairs', async () => {
    const pairs = 'sum(j, sum(k, m * m[k] / norm(q - q[k])))';
    expect(singularOwnRows(await systemOf('-q', pairs))).toEqual([{ formula: 'the loss', what: 'loss' }]);
  });

  test('is told with the error it explains, and no other', async () => {
    const system = await systemOf('sum(k, m[k] * (q[k] - q) / norm(q[k] - q)^3)');
    const error = (what: string): SkewflowError =>
      new SkewflowError('NonFiniteError', 'not finite', { what, group: 'sources' });
    expect(String(withOwnRowAdvice(error('state'), system))).toMatch(/not finite; the flow of `q`.*k != j/);
    expect(String(withOwnRowAdvice(error('gradient'), system))).toMatch(/meets itself.*k != j/);
    const other = new SkewflowError('AbortedError', 'aborted', { what: 'state' });
    const loss = error('loss');
    expect(withOwnRowAdvice(loss, system)).toBe(loss);
    expect(withOwnRowAdvice(other, system)).toBe(other);
  });
});
