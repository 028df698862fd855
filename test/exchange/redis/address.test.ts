import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chooseRedis, type RedisSettings } from '../../../src/exchange/redis/address.ts';

const nothing: RedisSettings = { url: null, environmentUrl: null, passwordFile: null, insecure: false };
const choose = (settings: Partial<RedisSettings>): ReturnType<typeof chooseRedis> =>
  chooseRedis({ ...nothing, ...settings });

describe('which Redis is meant', () => {
  it('is this machine’s where nothing is said', () => {
    expect(choose({})).toEqual({
      address: { host: '127.0.0.1', port: 6379, tls: false, username: null, password: null, database: 0 },
      warnings: [],
    });
  });

  it('says --redis before the environment', () => {
    const { address } = choose({ url: 'redis://localhost:7000/3', environmentUrl: 'redis://:x@10.0.0.1' });
    expect(address).toMatchObject({ host: 'localhost', port: 7000, database: 3, password: null });
  });

  it('takes name and password from the environment’s URL', () => {
    const { address } = choose({ environmentUrl: 'rediss://skewflow:p%40ss@redis.example:6380' });
    expect(address).toMatchObject({
      username: 'skewflow',
      password: 'p@ss',
      tls: true,
      host: 'redis.example',
    });
  });

  it('takes the password from a file, without the newline at its end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'skewflow-password-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, 'se cret\n');
    expect(choose({ url: 'rediss://redis.example', passwordFile }).address.password).toBe('se cret');
    expect(() => choose({ passwordFile: join(folder, 'none') })).toThrow(
      /SKEWFLOW_REDIS_PASSWORD_FILE: ENOENT/,
    );
  });

  it('refuses a password on the command line and does not repeat it', () => {
    expect(() => choose({ url: 'redis://:hunter2@localhost' })).toThrow(/REDIS_URL/);
    expect(() => choose({ url: 'redis://:hunter2@localhost' })).not.toThrow(/hunter2/);
  });

  it.each(['redis://10.0.0.1', 'redis://redis.example:6379', 'redis://[2001:db8::1]', 'redis://128.0.0.1'])(
    'refuses %s without a password, unless that is meant',
    (url) => {
      expect(() => choose({ url })).toThrow(/another machine.*--insecure/);
      expect(choose({ url, insecure: true }).warnings).toEqual([expect.stringContaining('TLS')]);
    },
  );

  it.each(['redis://127.0.0.1', 'redis://127.3.2.1', 'redis://[::1]', 'redis://localhost'])(
    'takes %s',
    (url) => {
      expect(choose({ url }).warnings).toEqual([]);
    },
  );

  it('warns of another machine without TLS, and not with it', () => {
    expect(choose({ environmentUrl: 'redis://:x@redis.example' }).warnings).toHaveLength(1);
    expect(choose({ environmentUrl: 'rediss://:x@redis.example' }).warnings).toEqual([]);
  });

  it.each([
    'http://localhost',
    'localhost:6379',
    'redis://',
    'redis://localhost/zero',
    'redis://localhost?db=1',
  ])('refuses `%s`', (url) => {
    expect(() => choose({ url })).toThrow(/redis/);
  });
});
