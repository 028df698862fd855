import { rm } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { carry, type Means } from '../../src/coordinator/carry.ts';
import type { RunMeters } from '../../src/coordinator/run-meter.ts';
import { SkewflowError } from '../../src/errors.ts';
import type { Exchange } from '../../src/exchange/exchange.ts';
import type { Charge, Register, RunNews } from '../../src/exchange/register.ts';
import { defaultAdmission } from '../../src/job/admission.ts';
import { noS3 } from '../../src/objects/s3-settings.ts';
import { openRoot, type Root } from '../../src/storage/root.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { ordered } from '../order.ts';

/** One that fails before anything is asked of a worker. */
const order = ordered({ seats: { min: 1, max: 1 }, document: 'loss: sum(i, x)\n', submittedAt: 5 });

it('gives a run back whose end cannot be kept, instead of holding it for ever', async () => {
  const folder = await temporaryFolder();
  const root = await openRoot(folder);
  const full: Root = {
    ...root,
    remove: async (key) => {
      if (key.endsWith('rows')) throw new SkewflowError('OutOfReachError', `${key}: directory not empty`);
      await root.remove(key);
    },
  };
  const told: RunNews[] = [];
  const released: string[] = [];
  const leave = new AbortController();
  const nobody = new AbortController().signal;
  const charge: Charge = {
    order,
    epoch: 1,
    resumed: false,
    lost: nobody,
    cancelled: nobody,
    release: async (how) => void released.push(how),
  };
  const said: string[] = [];
  const quiet = { debug: () => {}, error: () => {}, info: () => {} };
  const register = {
    inputs: async () => null,
    report: async (_run: unknown, _epoch: number, news: RunNews) => {
      told.push(news);
      return 'accepted';
    },
  };
  const means: Means = {
    exchange: {} as Exchange,
    register: register as unknown as Register,
    root: full,
    reach: { roots: [], allowHosts: [], s3: noS3 },
    admission: defaultAdmission,
    rules: {},
    log: {
      ...quiet,
      // It does not wait to try again once it is to leave.
      warn: (...words: readonly unknown[]) => {
        said.push(String(words.at(-1)));
        leave.abort();
      },
    } as Means['log'],
    meters: { begin: () => ({ end: () => {} }), noticed: () => {} } as unknown as RunMeters,
    handOver: leave.signal,
    away: () => new Promise(() => {}),
  };
  await carry(charge, means);
  expect(said).toEqual([expect.stringMatching(/left to the next coordinator.*directory not empty/)]);
  expect(released).toEqual(['again']);
  expect(told).not.toContainEqual(expect.objectContaining({ kind: 'state', state: 'failed' }));

  await carry({ ...charge, epoch: 2 }, { ...means, root, handOver: nobody });
  expect(released).toEqual(['again', 'over']);
  expect(told).toContainEqual(expect.objectContaining({ kind: 'state', state: 'failed' }));
  await rm(folder, { recursive: true, force: true });
});
