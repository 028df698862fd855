/**
 * What do the tests need of the machine? Before the first of them: a redis-server, installed by apt when it is missing and
 * that is allowed. With CI set a missing one is a failure; elsewhere its tests are skipped, saying why.
 */
import type { Found } from './packages.ts';
import { ensureRedisServer } from './redis-server.ts';

const say = (line: string): void => {
  process.stderr.write(`test set-up: ${line}\n`);
};

export async function setup(): Promise<void> {
  const found: Readonly<Record<string, Found>> = {
    'redis-server': await ensureRedisServer(say),
  };
  const missing = Object.entries(found).flatMap(([what, it]) =>
    it.present ? [] : [`${what}: ${it.reason}`],
  );
  for (const line of missing) say(line);
  if (missing.length > 0 && isCi()) throw new Error(`with CI set nothing is skipped:\n${missing.join('\n')}`);
}

function isCi(): boolean {
  const ci = process.env['CI'];
  return ci !== undefined && ci !== '' && ci !== 'false';
}
