/**
 * Do the processes do what the manifests say of them? Command lines, environment and probes of the rendered pods, and the
 * formula that scales them, beside a real Redis with the ACL that is shipped.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { QueueKeys } from 'bullmq';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { exitCodes } from '../../src/errors.ts';
import { Keys, queueStates, queues } from '../../src/exchange/redis/keys.ts';
import { metricTable } from '../../src/telemetry/metrics.ts';
import { built, skewflow } from '../cli/skewflow.ts';
import { badWorker } from '../faults/drill.ts';
import { type Fleet, type Service, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { alerts, expressions, type Series, selectorsOf, selects, seriesOf } from './asked-metrics.ts';
import { type Container, deployFolder, missingKubectl, podsOf, render } from './rendered.ts';
import { scaledObject, wantedReplicas } from './scaling.ts';
import { type Get, job, limits, listening, until } from './started.ts';

const missing = missingKubectl();

/** Work for minutes, until it is cancelled. */
const long = job.replace('name: small', 'name: long').replace('rows: 3000', 'rows: 4000000');

/** Redis as an operator has it: the shipped ACL, and the password in a file. */
async function guardedFleet(): Promise<{ readonly fleet: Fleet; readonly environment: NodeJS.ProcessEnv }> {
  const acl = (await readFile(`${deployFolder}redis/users.acl`, 'utf8')).trim().split('\n');
  const fleet = await startFleet({ acl: acl.map((line) => line.replace('change-this-password', 'geheim')) });
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  const secrets = join(fleet.folder, 'secrets');
  await mkdir(secrets);
  await writeFile(join(secrets, 'password'), 'geheim\n');
  const environment = {
    REDIS_URL: `redis://skewflow@127.0.0.1:${fleet.redis.port}`,
    SKEWFLOW_REDIS_PASSWORD_FILE: join(secrets, 'password'),
    SKEWFLOW_STORAGE: fleet.storage,
  };
  return { fleet, environment };
}

function containerOf(overlay: string, name: string): Container {
  const found = podsOf(overlay)
    .flatMap(({ pod }) => pod.containers)
    .find((container) => container.name === name);
  if (found === undefined) throw new Error(`no container \`${name}\` in ${overlay}`);
  return found;
}

/** A container as a process: its arguments and environment, with this machine's paths and a free port. */
async function startContainer(
  container: Container,
  fleet: Fleet,
  secret: NodeJS.ProcessEnv,
): Promise<{ readonly service: Service; readonly get: Get }> {
  const placed = (text: string): string =>
    text
      .replace(/^\/storage/, fleet.storage)
      .replace('/run/secrets/skewflow', join(fleet.folder, 'secrets'))
      .replace(/^0\.0\.0\.0:\d+$/, '127.0.0.1:0');
  // The image's entry point is the program; a command would replace it.
  expect(container.command).toBeUndefined();
  const config = render('cpu').find(({ kind }) => kind === 'ConfigMap')?.data ?? {};
  const environment: NodeJS.ProcessEnv = {};
  for (const [name, value] of Object.entries(config)) environment[name] = placed(value);
  for (const { name, value } of container.env ?? []) environment[name] = value ?? secret[name];
  const service = fleet.start((container.args ?? []).map(placed), environment);
  return { service, get: await listening(service) };
}

/** Ask as the kubelet does: at most as often as the probe says before it gives up. */
async function probed(probe: Container['startupProbe'], get: Get): Promise<void> {
  const { httpGet, periodSeconds = 10, failureThreshold = 3 } = probe ?? {};
  let said = '';
  for (let tries = 0; tries < failureThreshold; tries++) {
    const response = await get(httpGet?.path ?? '');
    if (response.ok) return;
    said = await response.text();
    await new Promise((resolve) => setTimeout(resolve, periodSeconds * 1000));
  }
  throw new Error(`${httpGet?.path}: ${said}`);
}

/** Samples by metric, summed over labels. */
async function samplesOf(response: Response): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>();
  for (const { name, value } of seriesOf(await response.text()))
    sums.set(name, (sums.get(name) ?? 0) + value);
  return sums;
}

/** Which of the expressions select something that no process exposes now? */
async function unansweredBy(
  processes: readonly { readonly get: Get }[],
  asked: readonly (readonly [where: string, expr: string])[],
): Promise<readonly string[]> {
  const texts = await Promise.all(processes.map(async ({ get }) => (await get('/metrics')).text()));
  const exposed = texts.flatMap((text): readonly Series[] => seriesOf(text));
  return asked.flatMap(([where, expr]) =>
    selectorsOf(expr)
      .filter((selector) => !exposed.some((series) => selects(selector, series)))
      .map(({ name }) => `${where}: ${name}`),
  );
}

describe.skipIf(missing !== null)(
  `the ScaledObject${missing === null ? '' : ` (skipped: ${missing})`}`,
  () => {
    test('reads the keys that BullMQ keeps the seats in', () => {
      const keys = new Keys('skewflow');
      const theirs = new QueueKeys(keys.prefix).getKeys(queues.seats);
      for (const { name, metadata } of scaledObject().triggers) {
        const { suffix } = queueStates[name as keyof typeof queueStates];
        expect(metadata.listName).toBe(keys.queue(queues.seats, suffix));
        expect(metadata.listName).toBe(theirs[suffix]);
      }
      expect(scaledObject().triggers.map(({ name }) => name)).toEqual(['waiting', 'prioritized', 'active']);
    });
  },
);

describeWithRedis('the processes of the manifests', () => {
  beforeAll(built);

  test.skipIf(missing !== null)(
    'become ready, run a job, expose what is drawn and watched, and end on SIGTERM',
    limits,
    async () => {
      const { fleet, environment } = await guardedFleet();
      const containers = ['coordinator', 'worker'].map((name) => containerOf('cpu', name));
      const started = await Promise.all(containers.map((it) => startContainer(it, fleet, environment)));
      for (const [i, { get }] of started.entries()) {
        await probed(containers[i]?.startupProbe, get);
        await probed(containers[i]?.readinessProbe, get);
        await probed(containers[i]?.livenessProbe, get);
      }
      // What wakes somebody is there before it happens, or its first increase would be none.
      await until('the queues are looked at', async () => {
        const watched = alerts.map(({ alert, expr }) => [alert, expr] as const);
        return (await unansweredBy(started, watched)).length === 0;
      });
      await fleet.job('job.yaml', job);
      const sent = await skewflow(['submit', 'job.yaml', '--wait'], fleet.folder, environment);
      expect(sent.code, sent.stderr).toBe(0);

      const [coordinator, worker] = await Promise.all(
        started.map(async ({ get }) => await samplesOf(await get('/metrics'))),
      );
      expect(await unansweredBy(started, expressions)).toEqual([]);
      const exposed = (
        await Promise.all(started.map(async ({ get }) => (await get('/metrics')).text()))
      ).join();
      expect(Object.keys(metricTable).filter((name) => !exposed.includes(`# TYPE ${name} `))).toEqual([]);

      expect(coordinator?.get('skewflow_iterations_total')).toBe(1);
      // Sums, the head, the gradient; and what lies between them.
      expect(coordinator?.get('skewflow_iteration_seconds_count')).toBe(3);
      expect(coordinator?.get('skewflow_all_reduce_seconds_count')).toBe(2);
      expect(coordinator?.get('skewflow_notices_total')).toBeGreaterThan(0);
      expect(coordinator?.get('skewflow_runs')).toBe(0);
      expect(worker?.get('skewflow_shards_total')).toBe(8 + 1 + 9);
      for (const samples of [coordinator, worker]) {
        expect(samples?.get('skewflow_pairs_total')).toBeGreaterThan(3000 * 5 * 8);
        expect(samples?.get('skewflow_redis_round_trip_seconds_count')).toBeGreaterThan(0);
      }
      for (const { service } of started) service.kill('SIGTERM');
      const begun = Date.now();
      expect(await Promise.all(started.map(({ service }) => service.ended))).toEqual([0, 0]);
      expect(Date.now() - begun).toBeLessThan(25_000);
    },
  );

  test('are not ready while Redis is away, and alive; not alive while they stand still', limits, async () => {
    const fleet = await startFleet();
    onTestFinished(() => fleet[Symbol.asyncDispose]());
    const worker = fleet.worker('--listen', '127.0.0.1:0');
    const get = await listening(worker);
    const statusOf = async (path: string): Promise<number> => (await get(path)).status;
    await worker.says(/worker ready/);
    expect(await statusOf('/readyz')).toBe(200);
    await fleet.redis.kill();
    await until('it is not ready', async () => (await statusOf('/readyz')) === 503);
    expect(await statusOf('/livez')).toBe(200);
    await fleet.redis.restart();
    await until('it is ready again', async () => (await statusOf('/readyz')) === 200);
    worker.kill('SIGSTOP');
    await expect(get('/livez', { signal: AbortSignal.timeout(500) })).rejects.toThrow(/timeout/);
    worker.kill('SIGCONT');
    expect(await statusOf('/livez')).toBe(200);
  });

  test('never become ready with a device that computes wrongly, and end', limits, async () => {
    const fleet = await startFleet();
    onTestFinished(() => fleet[Symbol.asyncDispose]());
    const worker = badWorker(fleet, 'nan', '--listen', '127.0.0.1:0');
    const get = await listening(worker);
    const seen = new Set<number>();
    // It listens before it has tried its device, and until it has ended.
    const asked = async (): Promise<number | null> =>
      (await get('/readyz').catch(() => null))?.status ?? null;
    for (let status = await asked(); status !== null; status = await asked()) seen.add(status);
    expect([...seen]).toEqual([503]);
    expect(await worker.ended).toBe(exitCodes.noDevice);
    expect(worker.log()).toMatch(/not used: wasm.*: /);
    expect(worker.log()).not.toMatch(/worker ready/);
  });

  test('count what a run takes on its way: rows, a dead child, a lost worker', limits, async () => {
    const fleet = await startFleet();
    onTestFinished(() => fleet[Symbol.asyncDispose]());
    const [coordinator, worker] = ['coordinator', 'worker'].map((role) =>
      fleet.start([role, '--listen', '127.0.0.1:0'], { SKEWFLOW_THREADS: '1' }),
    );
    const samplesFrom = (service: Service | undefined) => async (name: string) => {
      const [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(service?.log() ?? '') ?? [];
      return (await samplesOf(await fetch(`${address}/metrics`))).get(name) ?? 0;
    };
    const [carried, computed] = [samplesFrom(coordinator), samplesFrom(worker)];
    await coordinator?.says(/coordinator ready/);
    await worker?.says(/worker ready/);
    await fleet.job('long.yaml', long);
    const sent = await fleet.run('submit', 'long.yaml');
    expect(sent.code, sent.stderr).toBe(0);
    await until('rows are resident', async () => (await computed('skewflow_device_memory_bytes')) > 0);
    expect([await computed('skewflow_leases'), await carried('skewflow_leases')]).toEqual([1, 1]);
    expect(await carried('skewflow_runs')).toBe(1);

    const children = `/proc/${worker?.pid}/task/${worker?.pid}/children`;
    const [child] = (await readFile(children, 'utf8')).trim().split(' ');
    process.kill(Number(child), 'SIGKILL');
    await until('a restart is counted', async () => (await computed('skewflow_child_restarts_total')) === 1);
    // Measured every five seconds.
    for (const counted of [carried, computed])
      await until('bytes are counted', async () => (await counted('skewflow_exchange_bytes_total')) > 500);

    worker?.kill('SIGKILL');
    await until('its loss is counted', async () => (await carried('skewflow_workers_lost_total')) === 1);
    expect(await carried('skewflow_redone_shards_total')).toBeGreaterThan(0);
    expect(await carried('skewflow_leases')).toBe(0);
    expect((await fleet.run('cancel', sent.stdout.trim())).code).toBe(0);
    await until('the run is over', async () => (await carried('skewflow_runs')) === 0);
  });

  test.skipIf(missing !== null)(
    'are wanted by the formula from none to three, and none again when the run is over',
    limits,
    async () => {
      const { fleet, environment } = await guardedFleet();
      const redis = new Redis(fleet.redis.port, '127.0.0.1', {
        protocol: 2,
        username: 'skewflow',
        password: 'geheim',
      });
      onTestFinished(() => redis.disconnect());
      fleet.start(['coordinator'], environment);
      expect(await wantedReplicas(redis)).toBe(0);
      await fleet.job('long.yaml', long.replace('shards: 8', 'shards: 6'));
      const sent = await skewflow(['submit', 'long.yaml'], fleet.folder, environment);
      expect(sent.code, sent.stderr).toBe(0);
      // Half as many seats as shards; none is held yet.
      await until('three are wanted', async () => (await wantedReplicas(redis)) === 3);

      const args = ['worker', '--engine', 'wasm', '--threads', '1', '--exit-when-idle', '2'];
      const workers = [0, 1, 2].map(() => fleet.start(args, environment));
      for (const worker of workers) await worker.says(/serving run/);
      const active = queueStates.active.suffix;
      const seats = new Keys('skewflow').queue(queues.seats, active);
      await until('three seats are held', async () => (await redis.llen(seats)) === 3);
      expect(await wantedReplicas(redis)).toBe(3);

      const cancelled = await skewflow(['cancel', sent.stdout.trim()], fleet.folder, environment);
      expect(cancelled.code, cancelled.stderr).toBe(0);
      await until('none is wanted', async () => (await wantedReplicas(redis)) === 0);
      // Nobody tells them: they find no seat.
      expect(await Promise.all(workers.map(({ ended }) => ended))).toEqual([0, 0, 0]);
    },
  );
});
