/** Options of all commands that talk to a fleet: which Redis, which storage root. */
import { type Command, InvalidArgumentError } from 'commander';
import { Client, type ClientOptions } from '../index.ts';
import { repeatable } from './options.ts';

export interface FleetOptions {
  readonly redis?: string;
  readonly prefix?: string;
  readonly insecure?: boolean;
  readonly storage?: string;
  readonly root: readonly string[];
}

/** Adds --redis, --prefix, --insecure. */
export function withRedis(command: Command): Command {
  return command
    .option('--redis <url>', 'redis://HOST:PORT, without a password (default: $REDIS_URL, else this machine)')
    .option('--prefix <name>', 'what all keys in Redis begin with (default: skewflow)')
    .option('--insecure', "use another machine's Redis without a password");
}

/** Adds --redis, --prefix, --insecure and --storage. */
export function withStorage(command: Command): Command {
  return withRedis(command).option(
    '--storage <root>',
    'a folder or s3://bucket/prefix that coordinators and workers share (default: $SKEWFLOW_STORAGE)',
  );
}

/** Adds --redis, --prefix, --insecure, --storage and --root. */
export function withFleet(command: Command): Command {
  return withStorage(command).addOption(
    repeatable(
      '--root <folder>',
      'a folder (or s3://bucket/prefix) that workers read: files below it stay where they are',
    ),
  );
}

/** The options as the API takes them. */
export function fleetOptions({
  redis,
  prefix,
  insecure,
  storage,
  root = [],
}: Partial<FleetOptions>): ClientOptions {
  return {
    roots: root,
    insecure: insecure ?? false,
    ...(redis === undefined ? {} : { redis }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(storage === undefined ? {} : { storage }),
  };
}

/** Do something with a client, and close it. */
export async function withClient<T>(
  options: Partial<FleetOptions>,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  await using client = new Client(fleetOptions(options));
  return await work(client);
}

/** `7d`, `12h`, `30m`, `45s` in milliseconds. */
export function duration(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)\s*([smhd])$/u.exec(text) ?? [];
  const ms = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? ''];
  if (ms === undefined) throw new InvalidArgumentError('expected a time such as 7d, 12h or 30m.');
  return Number(count) * ms;
}
