/** Which suites need something of the machine? Those described with it are skipped, visibly and with the reason, where it is missing. */
import { describe } from 'vitest';
import type { Found } from './packages.ts';
import { findRedisServer } from './redis-server.ts';

/** A suite that starts redis-servers. */
export function describeWithRedis(title: string, body: () => void): void {
  describeWith(findRedisServer(), title, body);
}

function describeWith(found: Found, title: string, body: () => void): void {
  if (found.present) describe(title, body);
  else describe.skip(`${title} (skipped: ${found.reason})`, body);
}
