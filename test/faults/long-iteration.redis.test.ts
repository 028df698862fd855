/**
 * What becomes of a run that is one long iteration, when workers come and go in the middle of it, and when its coordinator and a
 * Redis that forgets are killed at half time?
 *
 * SKEWFLOW_DRILL_GRADIENT=60 makes it one of sixty seconds with a coordinator as it is, and prints what was done twice. With
 * SKEWFLOW_DRILL_ROWS=4000000 too, workers take no time but what they compute in: so many rows, 400 steps.
 */
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { built } from '../cli/skewflow.ts';
import { type Fleet, type Service, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { count, expectBitsOfRun, gradientJob, onProcessor, slowWorker, submit, until } from './drill.ts';

beforeAll(built);

const shards = 64;
const asked = process.env['SKEWFLOW_DRILL_GRADIENT'];
const seconds = Number(asked ?? 15);
const rows = process.env['SKEWFLOW_DRILL_ROWS'];
/** What a worker takes over a shard, so that all of it takes about as long as is wanted. */
const paceMs = 36 * seconds;

const keen = fileURLToPath(new URL('./keen-coordinator.js', import.meta.url));

describeWithRedis('a run that is one long iteration', () => {
  test('keeps its bits with workers 1 → 4 → 2, and its answers when coordinator and Redis are killed', {
    timeout: 120_000 + 3000 * seconds,
  }, async () => {
    await using fleet = await startFleet();
    const first = coordinator(fleet);
    const workers = [worker(fleet)];
    const begun = performance.now();
    const plain = rows === undefined ? gradientJob(20_000, 10) : gradientJob(Number(rows), 400);
    const job = plain.replace('shards: 16', `shards: ${shards}`);
    const id = await submit(fleet, job, { workers: { min: 1, max: 8 } });
    await answered(workers, 4);

    workers.push(worker(fleet), worker(fleet), worker(fleet));
    await first.says(/(worker joined.*){4}/s);
    await answered(workers, shards / 2);
    const before = answers(workers);

    first.kill('SIGKILL');
    await fleet.redis.restart();
    const second = coordinator(fleet);
    await second.says(/resuming from iteration 1, [1-9]\d* leaves of it answered/);
    const kept = Number(/resuming from iteration 1, (\d+) leaves/.exec(second.log())?.[1]);
    await second.says(/(worker joined.*){4}/s);

    const [one, two] = workers;
    for (const told of [one, two]) told?.kill('SIGTERM');
    expect(await Promise.all([one?.ended, two?.ended])).toEqual([0, 0]);
    await expectBitsOfRun(fleet, id);

    const twice = answers(workers) - shards;
    // Beside what was not kept, a few are computed twice to compare, or because a worker seemed slow.
    expect(twice).toBeLessThanOrEqual(before - kept + shards / 4);
    if (asked === undefined) return;
    const took = ((performance.now() - begun) / 1000).toFixed(1);
    console.log(`${took} s; ${before} answers before the kill, ${kept} kept, ${twice} of ${shards} twice`);
  });
});

/** One that keeps answers every two seconds; the one that users have where the drill is long enough for it. */
function coordinator(fleet: Fleet): Service {
  return asked === undefined ? fleet.start([], {}, keen) : fleet.coordinator();
}

/** A worker that logs every answer that was taken. */
function worker(fleet: Fleet): Service {
  const talkative = { SKEWFLOW_LOG: 'debug' };
  return rows === undefined ? slowWorker(fleet, paceMs, talkative) : fleet.start(onProcessor, talkative);
}

const answers = (workers: readonly Service[]): number =>
  workers.reduce((sum, each) => sum + count(each, /"answered \d+"/), 0);

/** Wait until workers have answered so many shards. */
async function answered(workers: readonly Service[], many: number): Promise<void> {
  await until(() => answers(workers) >= many, `${many} answers`, 60_000 + 1000 * seconds);
}
