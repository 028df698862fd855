/** Which suites need something of the machine? Those described with it are skipped, visibly and with the reason, where it is missing. */
import { describe, inject } from 'vitest';
import type { Found } from './packages.ts';
import { findRedisServer } from './redis-server.ts';
import { findLavapipe } from './vulkan.ts';

/** A suite that starts redis-servers. */
export function describeWithRedis(title: string, body: () => void): void {
  describeWith(findRedisServer(), title, body);
}

/** A suite that needs an adapter that Dawn takes: a GPU, or a software driver. */
export function describeWithGpu(title: string, body: () => void): void {
  describeWith(inject('vulkan'), title, body);
}

/** A suite that needs Mesa's software driver, whose file it is given. */
export function describeWithLavapipe(title: string, body: (driverFile: string) => void): void {
  const found = findLavapipe();
  describeWith(found, title, () => body(found.present ? found.path : ''));
}

/**
 * Real processes meet real deadlines, which a machine that is busy elsewhere may miss once; a wrong bit is wrong both times.
 * Every such test sets up all it needs, so it may be tried again.
 */
const tries = { retry: 1 } as const;

function describeWith(found: Found, title: string, body: () => void): void {
  if (found.present) describe(title, tries, body);
  else describe.skip(`${title} (skipped: ${found.reason})`, body);
}
