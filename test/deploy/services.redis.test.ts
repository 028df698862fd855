/**
 * Do the services of `compose.yaml` and the units of systemd do their work? What the files start, started as processes: each
 * becomes ready, a job is run, SIGTERM ends them.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it, onTestFinished, test } from 'vitest';
import { built, skewflow } from '../cli/skewflow.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { type Command, composeCommand, healthCheck, type Placed, unitCommand } from './commands.ts';
import { deployFolder } from './rendered.ts';
import { job, limits, listening, until } from './started.ts';

const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** Start a coordinator and a worker as they are written, run a job with a client of the same environment, and end them. */
async function serveJob(fleet: Fleet, commands: readonly Command[]): Promise<void> {
  const started = commands.map(({ words, environment }) => {
    const [script = '', ...args] = words;
    return fleet.start(args, environment, script);
  });
  for (const service of started) {
    const get = await listening(service);
    await until('it is ready', async () => (await get('/readyz')).ok);
  }
  await fleet.job('job.yaml', job);
  const environment = { ...commands[0]?.environment, SKEWFLOW_STORAGE: fleet.storage };
  const sent = await skewflow(['submit', 'job.yaml', '--wait'], fleet.folder, environment);
  expect(sent.code, sent.stderr).toBe(0);
  expect(started.at(-1)?.log()).toMatch(/serving run/);
  for (const service of started) service.kill('SIGTERM');
  expect(await Promise.all(started.map(({ ended }) => ended))).toEqual(started.map(() => 0));
}

describeWithRedis('what the files start', () => {
  beforeAll(built);

  test.concurrent(
    'by Compose: a Redis with a password, a coordinator and a worker',
    limits,
    async ({ onTestFinished }) => {
      const fleet = await startFleet();
      onTestFinished(() => fleet[Symbol.asyncDispose]());
      // Its port and its folder are free for the one that Compose starts.
      const { port, folder } = fleet.redis;
      await fleet.redis.kill();
      const secrets = join(fleet.folder, 'secrets');
      await mkdir(secrets);
      await writeFile(join(secrets, 'redis-password'), 'geheim\n');
      const placed: Placed = (text) =>
        text
          .replaceAll('/run/secrets', secrets)
          .replace(/^\/storage/, fleet.storage)
          .replace(/^0\.0\.0\.0:\d+$/, '127.0.0.1:0')
          .replace('redis:6379', `127.0.0.1:${port}`)
          .replace('redis-server', `redis-server --bind 127.0.0.1 --port ${port} --dir ${folder}`)
          .replace('redis-cli', `redis-cli -p ${port}`);

      const [shell = '', ...line] = composeCommand('redis', placed).words;
      const redis = spawn(shell, line, { stdio: 'ignore' });
      onTestFinished(() => void redis.kill('SIGKILL'));
      const check = promisify(execFile);
      await until('Redis is healthy', () =>
        check('sh', ['-c', healthCheck('redis', placed)]).then(
          () => true,
          () => false,
        ),
      );
      const asked = await check('redis-cli', ['-p', String(port), 'ping']);
      expect(asked.stdout).toContain('NOAUTH');

      // The image's entry point is the program.
      const commands = ['coordinator', 'worker'].map((name) => {
        const { words, environment } = composeCommand(name, placed);
        return { words: [`${root}/bin/skewflow.js`, ...words], environment };
      });
      await serveJob(fleet, commands);
    },
  );

  test.concurrent(
    'by systemd: a coordinator, and a worker on a machine without a GPU',
    limits,
    async ({ onTestFinished }) => {
      const password = 'user default on >geheim ~* &* +@all';
      const fleet = await startFleet({ acl: [password] });
      onTestFinished(() => fleet[Symbol.asyncDispose]());
      const settings = join(fleet.folder, 'etc');
      await mkdir(settings);
      await writeFile(join(settings, 'environment'), `REDIS_URL=redis://127.0.0.1:${fleet.redis.port}\n`);
      await writeFile(join(settings, 'redis-password'), 'geheim\n');
      const own = 'SKEWFLOW_WORKER_OPTIONS=--engine wasm --threads 1\nSKEWFLOW_LISTEN=127.0.0.1:0\n';
      await writeFile(join(settings, 'worker-cpu'), own);
      const placed: Placed = (text) =>
        text
          .replaceAll('/etc/skewflow', settings)
          .replace(/^\/opt\/skewflow/, root)
          .replace(/^\/srv\/skewflow/, fleet.storage)
          .replace(/^127\.0\.0\.1:9464$/, '127.0.0.1:0');
      await serveJob(fleet, [
        unitCommand('skewflow-coordinator.service', '', placed),
        unitCommand('skewflow-worker@.service', 'cpu', placed),
      ]);
    },
  );
});

describe('a worker’s unit', () => {
  it('takes the GPU of its number unless a file says otherwise', () => {
    const { words } = unitCommand('skewflow-worker@.service', '1', (text) =>
      text.replace('/etc/skewflow/environment', '/dev/null'),
    );
    expect(words.join(' ')).toBe(
      '/opt/skewflow/bin/skewflow.js worker --storage /srv/skewflow --engine webgpu --devices 1',
    );
  });
});

const analyze = '/usr/bin/systemd-analyze';
const analyzes = version();

describe.skipIf(analyzes === null)(
  `the units${analyzes === null ? ` (skipped: no systemd-analyze 250 or newer)` : ''}`,
  () => {
    it.each(['skewflow-coordinator.service', 'skewflow-worker@.service'])(
      '%s is as systemd wants it',
      (name) => {
        const folder = mkdtempSync(join(tmpdir(), 'skewflow-units-'));
        onTestFinished(() => rmSync(folder, { recursive: true }));
        // systemd looks whether the program is there.
        const unit = readFileSync(`${deployFolder}systemd/${name}`, 'utf8').replaceAll('/opt/skewflow', root);
        const file = join(folder, name.replace('@', '@0'));
        if (name.includes('@')) cpSync(`${deployFolder}systemd/${name}`, join(folder, name));
        writeFileSync(file, unit);
        expect(verified(file)).toBe('');
        writeFileSync(file, unit.replace('RestartSec', 'RestartSeconds'));
        expect(verified(file)).toMatch(/RestartSeconds/);
      },
    );
  },
);

/** What systemd-analyze finds wrong. */
function verified(file: string): string {
  try {
    return execFileSync('sh', ['-c', '"$0" verify "$1" 2>&1', analyze, file], { encoding: 'utf8' });
  } catch (error) {
    return (error as { readonly stdout: string }).stdout;
  }
}

/** Of systemd, where it is new enough for the units; else null. */
function version(): number | null {
  try {
    const found = Number(
      /systemd (\d+)/.exec(execFileSync(analyze, ['--version'], { encoding: 'utf8' }))?.[1],
    );
    return found >= 250 ? found : null;
  } catch {
    return null;
  }
}
