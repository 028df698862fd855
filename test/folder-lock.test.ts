import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockFolder } from '../src/folder-lock.ts';
import { type JobObject, run } from '../src/index.ts';
import { temporaryFolder } from './arrays/folder.ts';

/** A process that does nothing until it is killed. */
async function idle(): Promise<{ readonly pid: number; readonly kill: () => Promise<void> }> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log()']);
  await once(child.stdout, 'data');
  return {
    pid: child.pid!,
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe('the lock of a folder', () => {
  it('is held by one at a time, and taken away at the end', async () => {
    const folder = await temporaryFolder();
    const target = join(folder, 'out');
    {
      await using _lock = await lockFolder(target);
      await expect(lockFolder(target)).rejects.toMatchObject({
        tag: 'UsageError',
        message: expect.stringMatching(
          new RegExp(
            `out: another run writes there, process ${process.pid} on ${hostname()}: wait for it`,
            'u',
          ),
        ),
      });
      await using _other = await lockFolder(join(folder, 'other'));
    }
    expect(await readdir(folder)).toEqual([]);
    await using _again = await lockFolder(target);
  });

  it('goes to one of many who come at once', async () => {
    const target = join(await temporaryFolder(), 'out');
    await writeFile(`${join(target, '..')}/.out.lock`, '{"host": "');
    const taken = await Promise.allSettled(Array.from({ length: 12 }, () => lockFolder(target)));
    const holders = taken.filter(({ status }) => status === 'fulfilled');
    expect(holders).toHaveLength(1);
    for (const holder of holders)
      if (holder.status === 'fulfilled') await holder.value[Symbol.asyncDispose]();
  });

  it('lasts as long as its process, and no longer', async () => {
    const folder = await temporaryFolder();
    const target = join(folder, 'out');
    const other = await idle();
    const mine = await lockFolder(target);
    const text = await readFile(join(folder, '.out.lock'), 'utf8');
    await mine[Symbol.asyncDispose]();
    const theirs = (changes: object): Promise<void> =>
      writeFile(join(folder, '.out.lock'), JSON.stringify({ ...JSON.parse(text), ...changes }));

    await theirs({ pid: other.pid, begun: null });
    await expect(lockFolder(target)).rejects.toMatchObject({ details: { pid: other.pid } });
    // The number was another process's before.
    await theirs({ pid: other.pid, begun: '1' });
    await (await lockFolder(target))[Symbol.asyncDispose]();
    await theirs({ pid: other.pid, begun: null });
    await other.kill();
    await (await lockFolder(target))[Symbol.asyncDispose]();
    // A container that is started again has the numbers of the one before.
    await theirs({ token: 'of another life', begun: '1' });
    await (await lockFolder(target))[Symbol.asyncDispose]();
    await theirs({ host: 'far-away' });
    await expect(lockFolder(target)).rejects.toThrow(
      /on far-away: wait for it, .*; if that process is gone, remove .*\.out\.lock$/u,
    );
  });

  it('keeps two runs out of one folder, and of each other’s checkpoints', async () => {
    const job: JobObject = {
      params: { a: [0.3, 0.7] },
      sources: { q: [[0.1], [0.2]] },
      loss: 'sum(j, sqnorm(q[j] * a - 0.4))',
      optimize: { over: ['a'], iterations: 4 },
    };
    const folder = await temporaryFolder();
    const options = { out: join(folder, 'out'), engine: 'reference' } as const;
    const both = await Promise.allSettled([run(job, options), run(job, options)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = both.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    expect(refused.reason).toMatchObject({ message: expect.stringMatching(/another run writes there/u) });
    expect(await readdir(folder)).toEqual(['out']);
  });
});
