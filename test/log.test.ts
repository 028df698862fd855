import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { importable } from './setup/build.ts';

const execute = promisify(execFile);

/** What a process that logs writes, by stream. */
async function logged(
  level: string,
): Promise<{ readonly stdout: string; readonly lines: readonly Record<string, unknown>[] }> {
  const { url, execArgv } = importable();
  const program = `
    import { logTo } from ${JSON.stringify(url('log.ts'))};
    const log = logTo(${JSON.stringify(level)});
    log.info({ run: 'r1' }, 'first');
    log.warn({ shard: 3 }, 'second');
    log.debug({}, 'third');`;
  const { stdout, stderr } = await execute(process.execPath, [
    ...execArgv,
    '--input-type=module',
    '-e',
    program,
  ]);
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  return { stdout, lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('logTo', () => {
  it('writes lines of its level and above to stderr, in order, and nothing to stdout', async () => {
    const { stdout, lines } = await logged('info');
    expect(stdout).toBe('');
    expect(lines.map(({ msg, run, shard }) => ({ msg, run, shard }))).toEqual([
      { msg: 'first', run: 'r1', shard: undefined },
      { msg: 'second', run: undefined, shard: 3 },
    ]);
  });

  it('writes nothing when it is silent', async () => {
    expect(await logged('silent')).toEqual({ stdout: '', lines: [] });
  });
});
