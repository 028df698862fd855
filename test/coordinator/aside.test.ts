import { describe, expect, it } from 'vitest';
import { prepareAside } from '../../src/coordinator/aside.ts';
import type { Job } from '../../src/job/job.ts';
import { jobOf } from '../../src/job/load.ts';
import { parseJobText } from '../../src/job/yaml-document.ts';
import { outlineOf } from '../../src/kernels/sweep/outline.ts';
import { prepare } from '../../src/prepare.ts';

/** Sources that choose their steps: `rows`² pairs a stage in the reference evaluator, which no formula's size tells of. */
function job(rows: number, flow = 'sum(k, exp(-sqdist(q, q[k]) / sigma^2) * (q[k] - q))'): Promise<Job> {
  const text = `
sources: { rows: ${rows}, q: { normal: [0, 1], dim: 3, seed: 1 } }
tracers: { rows: 500, x: { normal: [0, 1], dim: 3, seed: 2 } }
params: { sigma: 0.3 }
flow:
  x: sum(j, exp(-sqdist(x, q[j]) / sigma^2) * q[j])
  q: ${flow}
integrate: { scheme: dopri5, from: 0, to: 1, tolerance: { abs: 1e-7, rel: 1e-7 } }
loss: mean(i, sqdist(x, x))
gradient: [q, sigma]
`;
  return jobOf(parseJobText(text, 'slow.yaml', []));
}

const never = new AbortController().signal;

/** How often the event loop turned until this was done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 20);
  try {
    await work();
    return turns;
  } finally {
    clearInterval(timer);
  }
}

describe('a job that takes long to prepare', () => {
  it('is prepared while the event loop turns, to the same figures', async () => {
    const slow = await job(30);
    const here = await prepare(slow);
    let aside: Awaited<ReturnType<typeof prepareAside>> | null = null;
    const turns = await turnsDuring(async () => {
      aside = await prepareAside(slow, never);
    });
    expect(turns).toBeGreaterThan(3);
    expect(here.times?.length).toBeGreaterThan(5);
    expect(aside).toEqual({ ...here, program: outlineOf(here.program) });
    // Of the work itself, done here, nothing is seen but its end.
    expect(await turnsDuring(() => prepare(slow))).toBeLessThan(turns);
  });

  it('fails as it fails here', async () => {
    const wrong = await job(3, '(q - q) / 0');
    const [here, aside] = await Promise.allSettled([prepare(wrong), prepareAside(wrong, never)]);
    expect(here).toMatchObject({ status: 'rejected', reason: { tag: 'NonFiniteError' } });
    expect(aside).toMatchObject({
      status: 'rejected',
      reason: { tag: 'NonFiniteError', message: (here as PromiseRejectedResult).reason.message },
    });
  });

  it('is given up at once when nobody wants it', async () => {
    const stop = new AbortController();
    const preparing = prepareAside(await job(2000), stop.signal);
    setTimeout(() => stop.abort(new Error('enough')), 100);
    await expect(preparing).rejects.toThrow('enough');
  });
});
