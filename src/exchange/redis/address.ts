/**
 * Which Redis is meant, and may it be used so? A password never comes by the command line, and leaves this machine only on
 * purpose.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { SkewflowError } from '../../errors.ts';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: string | null;
  readonly database: number;
}

export interface RedisSettings {
  /** `--redis`: a URL without a password; null: the environment's, else `redis://127.0.0.1:6379`. */
  readonly url: string | null;
  /** `REDIS_URL`, which may hold a password. */
  readonly environmentUrl: string | null;
  /** `SKEWFLOW_REDIS_PASSWORD_FILE`: its content, without a newline at the end, is the password. */
  readonly passwordFile: string | null;
  /** `--insecure`: another machine's Redis without a password. */
  readonly insecure: boolean;
}

/** A Redis, and what should be said about using it. */
export interface Chosen {
  readonly address: RedisAddress;
  readonly warnings: readonly string[];
}

/**
 * The Redis these settings name.
 *
 * @throws UsageError for a URL that is none, a password in `--redis`, or another machine without a password
 */
export function chooseRedis({ url, environmentUrl, passwordFile, insecure }: RedisSettings): Chosen {
  if (url !== null && parsed('--redis', url).password !== '') {
    throw usage(
      '--redis: a password on the command line is seen by every user of this machine; ' +
        'put the URL into REDIS_URL, or the password into a file named by SKEWFLOW_REDIS_PASSWORD_FILE',
    );
  }
  const given = url ?? environmentUrl;
  const it = parsed(url === null ? 'REDIS_URL' : '--redis', given ?? 'redis://127.0.0.1:6379');
  const filed = passwordFile === null ? null : passwordIn(passwordFile);
  const password = filed ?? (it.password === '' ? null : decodeURIComponent(it.password));
  const host = it.hostname.replace(/^\[|\]$/g, '');
  const address = {
    host,
    port: it.port === '' ? 6379 : Number(it.port),
    tls: it.protocol === 'rediss:',
    username: it.username === '' ? null : decodeURIComponent(it.username),
    password,
    database: databaseOf(it.pathname),
  };
  if (isLoopback(host)) return { address, warnings: [] };
  if (password === null && !insecure) {
    throw usage(
      `${host} is another machine: its Redis must ask for a password (REDIS_URL or SKEWFLOW_REDIS_PASSWORD_FILE); ` +
        'whoever reaches it reads and writes all runs. --insecure goes on without one',
    );
  }
  const open = `everything between here and ${host}, the password too, can be read on the way: use rediss:// (TLS)`;
  return { address, warnings: address.tls ? [] : [open] };
}

function parsed(name: string, text: string): URL {
  const it = URL.canParse(text) ? new URL(text) : null;
  if (it === null || (it.protocol !== 'redis:' && it.protocol !== 'rediss:') || it.hostname === '')
    throw usage(`${name}: expected redis://HOST:PORT or rediss://HOST:PORT`);
  if (it.search !== '' || it.hash !== '') throw usage(`${name}: options in the URL are not known`);
  return it;
}

function databaseOf(path: string): number {
  if (path === '' || path === '/') return 0;
  const database = Number(path.slice(1));
  if (Number.isSafeInteger(database) && database >= 0) return database;
  throw usage(`redis: \`${path}\` is no database number`);
}

function passwordIn(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw usage(`SKEWFLOW_REDIS_PASSWORD_FILE: ${(error as Error).message}`);
  }
}

function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}

function usage(message: string): SkewflowError {
  return new SkewflowError('UsageError', message);
}
