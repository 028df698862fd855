/** What the commands of a fleet print and exit with; a Redis that is away; a Redis that forgets. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { built } from './cli/skewflow.ts';
import { startFleet } from './fleet.ts';
import { describeWithRedis } from './setup/describe-with.ts';

beforeAll(built);

const job = `
name: small
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: 5 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 2000 }
params: { sigma: 0.7 }
flow:
  x: mean(j, exp(-sqdist(x, q[j]) / sigma^2) * (q[j] - x))
  q: sum(k != j, 0.1 * (q[k] - q))
integrate: { scheme: rk4, from: 0, to: 1, steps: 8 }
loss: mean(i, sqnorm(x))
gradient: [q, sigma]
shards: 8
`;

/** One that would take hours. */
const endless = job.replace('rows: 2000', 'rows: 40000000').replace('steps: 8', 'steps: 400');

const limits = { timeout: 180_000 };

describeWithRedis('the commands of a fleet', () => {
  test('a sweep is one batch: one table, one exit code, an index of results', limits, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    fleet.worker();
    await fleet.job('job.yaml', job);
    const args = ['submit', 'job.yaml', '--sweep', 'params.sigma=0.5,0.7,0.9', '--wait', '--json'];
    const sent = await fleet.run(...args);
    expect(sent.code, sent.stderr).toBe(0);
    const { batch, ids, sets, runs } = JSON.parse(sent.stdout) as {
      batch: string;
      ids: string[];
      sets: string[][];
      runs: { id: string; state: string; loss: number; set: string[] }[];
    };
    expect(runs.map(({ id, state }) => [id, state])).toEqual(ids.map((id) => [id, 'done']));
    expect(sets).toEqual([['params.sigma=0.5'], ['params.sigma=0.7'], ['params.sigma=0.9']]);
    expect(runs.map(({ set }) => set)).toEqual(sets);
    expect(new Set(runs.map(({ loss }) => loss)).size).toBe(3);

    const fetched = await fleet.run('fetch', '--batch', batch, '--out', 'all');
    expect(fetched.code, fetched.stderr).toBe(0);
    const index = (await fleet.file('all', 'index.csv')).toString().trim().split('\n');
    expect(index[0]).toBe('run,name,params.sigma,state,loss,iterations,seconds,folder,error');
    const losses = new Map(index.slice(1).map((line) => [line.split(',')[2], line.split(',')[4]]));
    expect(losses).toEqual(new Map(['0.5', '0.7', '0.9'].map((sigma, n) => [sigma, String(runs[n]?.loss)])));
    expect((await readdir(join(fleet.folder, 'all'))).length).toBe(4);
    for (const id of ids) expect(await fleet.file('all', `small-${id}`, 'gradient.npz')).toBeTruthy();

    const { seconds, timings } = JSON.parse(
      (await fleet.file('all', `small-${ids[0]}`, 'result.json')).toString(),
    ) as { seconds: number; timings: Record<'evaluate' | 'prepare' | 'wait' | 'write', number> };
    expect(timings.wait).toBeGreaterThan(0);
    expect(timings.prepare + timings.wait + timings.evaluate + timings.write).toBeCloseTo(seconds, 1);

    await rm(join(fleet.folder, 'all', `small-${ids[1]}`), { recursive: true });
    const completed = await fleet.run('fetch', '--batch', batch, '--out', 'all');
    expect(completed).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^2 of 3 were there and are kept/),
    });
    expect(await fleet.file('all', `small-${ids[1]}`, 'gradient.npz')).toBeTruthy();

    const listed = await fleet.run('ls', '--json', '--batch', batch);
    expect((JSON.parse(listed.stdout) as { id: string }[]).map(({ id }) => id).sort()).toEqual(
      [...ids].sort(),
    );
    const again = await fleet.run('submit', 'job.yaml', '--set', 'params.sigma=0.7');
    expect(again.stdout.trim()).toBe(ids[1]);
    expect(again.stderr).toMatch(/was submitted before/);

    const wider = await fleet.run('submit', 'job.yaml', '--sweep', 'params.sigma=0.9,1.1', '--wait');
    const [line, head, ...table] = wider.stdout.trim().split('\n');
    expect(head).toMatch(/^RUN +NAME +SET +STATE/);
    expect(table[0]).toMatch(new RegExp(`^${ids[2]} +small +params\\.sigma=0\\.9 +done`));
    expect(table[1]).toMatch(/ small +params\.sigma=1\.1 +done/);
    const both = await fleet.run('ls', '--batch', (line ?? '').replace('batch ', ''));
    expect(both.stdout).toMatch(/sigma=1\.1[\s\S]*sigma=0\.9/);

    // The same three jobs by other changes: each batch knows them by its own.
    await fleet.run('submit', 'job.yaml', '--sweep', 'params.sigma=0.50,0.70,0.90', '--wait');
    expect((await fleet.run('ls', '--batch', batch)).stdout).not.toMatch(/0\.[579]0/);
  });

  test('a batch of which one fails exits 1 and says why', limits, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    fleet.worker();
    await fleet.job('good.yaml', job);
    await fleet.job('bad.yaml', job.replace('0.1 * (q[k] - q)', '1e30 * (q[k] - q) * sqnorm(q)'));
    const sent = await fleet.run('submit', 'good.yaml', 'bad.yaml', '--wait', '--json');
    expect(sent.code, sent.stderr).toBe(1);
    const { runs } = JSON.parse(sent.stdout) as {
      runs: { state: string; error: { message: string } | null }[];
    };
    expect(runs.map(({ state }) => state)).toEqual(['done', 'failed']);
    expect(runs[1]?.error?.message).toMatch(/stopped being finite.*source row/);
  });

  test('a job that is wrong is refused as `run` refuses it, and nothing is sent', limits, async () => {
    await using fleet = await startFleet();
    await fleet.job('job.yaml', job.replace('mean(i, sqnorm(x))', 'mean(i, sqnom(x))'));
    const [sent, ran] = [await fleet.run('submit', 'job.yaml'), await fleet.run('run', 'job.yaml')];
    expect(sent.code).toBe(2);
    expect(sent.stderr).toBe(ran.stderr);
    expect(JSON.parse((await fleet.run('ls', '--json')).stdout)).toEqual([]);
  });

  test('a run that is cancelled ends within seconds and may begin anew', limits, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    const worker = fleet.worker();
    await fleet.job('job.yaml', endless);
    const { id } = JSON.parse((await fleet.run('submit', 'job.yaml', '--json')).stdout) as { id: string };
    await worker.says(/serving run/);
    const following = fleet.run('follow', id);
    expect((await fleet.run('cancel', id)).code).toBe(0);
    const { code, stderr } = await following;
    expect(code).toBe(1);
    expect(stderr).toMatch(/cancelled at iteration/);
    expect(JSON.parse((await fleet.run('show', id, '--json')).stdout)).toMatchObject({ state: 'cancelled' });
    expect((await fleet.run('fetch', id)).code).toBe(2);
    const again = await fleet.run('submit', 'job.yaml', '--json');
    expect(JSON.parse(again.stdout)).toEqual({ id });
    expect(again.stderr).not.toMatch(/before/);
  });

  test('a Redis that is out of reach is exit code 4, soon', limits, async () => {
    await using fleet = await startFleet();
    await fleet.job('job.yaml', job);
    await fleet.redis.kill();
    const begun = Date.now();
    const commands = [['submit', 'job.yaml'], ['ls'], ['show', 'x'], ['worker'], ['coordinator']];
    const outcomes = await Promise.all(commands.map((args) => fleet.run(...args)));
    for (const [i, { code, stderr }] of outcomes.entries()) {
      expect({ args: commands[i], code }, stderr).toEqual({ args: commands[i], code: 4 });
      expect(stderr).toMatch(/redis/i);
    }
    expect(Date.now() - begun).toBeLessThan(60_000);
  });

  test('processes end within 25 seconds when asked to, with Redis dead', limits, async () => {
    await using fleet = await startFleet();
    const [coordinator, worker] = [fleet.coordinator(), fleet.worker()];
    await fleet.job('job.yaml', endless);
    await fleet.run('submit', 'job.yaml');
    await worker.says(/serving run/);
    await fleet.redis.kill();
    const begun = Date.now();
    for (const process of [coordinator, worker]) process.kill('SIGTERM');
    expect([await coordinator.ended, await worker.ended]).toEqual([0, 0]);
    expect(Date.now() - begun).toBeLessThan(25_000);
  });

  test('accepted runs outlive a Redis that forgets everything', limits, async () => {
    await using fleet = await startFleet();
    const coordinator = fleet.coordinator();
    await fleet.job('job.yaml', job);
    const { id } = JSON.parse((await fleet.run('submit', 'job.yaml', '--json')).stdout) as { id: string };
    await coordinator.says(/taking run/);
    await fleet.redis.restart();
    fleet.worker();
    const until = Date.now() + 60_000;
    while ((await fleet.run('fetch', id, '--out', 'out', '--force')).code !== 0) {
      if (Date.now() > until) throw new Error(`not done: ${coordinator.log()}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const ran = await fleet.run('run', 'job.yaml', '--out', 'by-run');
    expect(ran.code).toBe(0);
    const [ours, theirs] = [
      await fleet.file('out', 'gradient.npz'),
      await fleet.file('by-run', 'gradient.npz'),
    ];
    expect(ours.equals(theirs)).toBe(true);
    await fleet.redis.restart();
    const shown = await fleet.run('show', id, '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ state: 'done', error: null });
  });

  test('prune forgets what is over and removes what is stored of it', limits, async () => {
    await using fleet = await startFleet();
    fleet.coordinator();
    fleet.worker();
    await writeFile(join(fleet.folder, 'q.csv'), '0.1,0.2\n0.3,-0.4\n');
    await fleet.job('job.yaml', job.replace('q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: 5', 'q: q.csv'));
    const sent = await fleet.run('submit', 'job.yaml', '--wait', '--json');
    const { id } = JSON.parse(sent.stdout) as { id: string };
    expect(await readdir(join(fleet.storage, 'inputs'))).toHaveLength(1);
    expect((await fleet.run('prune', '--older-than', '1h')).stdout).toBe('');
    expect((await fleet.run('prune', '--older-than', '0s')).stdout).toBe(`${id}\n`);
    expect(await readdir(join(fleet.storage, 'runs'))).toEqual([]);
    expect(await readdir(join(fleet.storage, 'inputs'))).toEqual([]);
    expect((await fleet.run('show', id)).code).toBe(2);
  });
});
