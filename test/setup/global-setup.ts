/**
 * What do the tests need of the machine? Before the first of them: a redis-server and a Vulkan driver, installed by apt when
 * they are missing and that is allowed. With CI set a missing one is a failure; elsewhere its tests are skipped, saying why.
 */
import type { TestProject } from 'vitest/node';
import type { Found } from './packages.ts';
import { ensureRedisServer } from './redis-server.ts';
import { ensureVulkan } from './vulkan.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Whether Dawn finds an adapter. */
    readonly vulkan: Found;
  }
}

const say = (line: string): void => {
  process.stderr.write(`test set-up: ${line}\n`);
};

export async function setup(project: TestProject): Promise<void> {
  const redis = await ensureRedisServer(say);
  const vulkan = await ensureVulkan(say);
  project.provide('vulkan', vulkan);
  const missing = [redis, vulkan].flatMap((found) => (found.present ? [] : [found.reason]));
  for (const reason of missing) say(reason);
  if (missing.length > 0 && isCi()) throw new Error(`with CI set nothing is skipped:\n${missing.join('\n')}`);
}

function isCi(): boolean {
  const ci = process.env['CI'];
  return ci !== undefined && ci !== '' && ci !== 'false';
}
