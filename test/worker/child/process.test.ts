import { describe, expect, test } from 'vitest';
import { frameOf } from '../../../src/worker/child/frames.ts';
import { startChild } from '../../../src/worker/child/process.ts';

/** A child that says this on the channel before it does anything else. */
const saying = (bytes: Uint8Array): NodeJS.ProcessEnv => {
  const spoken = Buffer.from(bytes).toString('base64');
  const line = `import { writeSync } from 'node:fs'; writeSync(3, Buffer.from('${spoken}', 'base64'));`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(line)}` };
};

describe('a compute child', () => {
  test('that says what nobody understands is killed, and its story says why', async () => {
    const bytes = Buffer.concat(frameOf([{ header: { kind: 'nonsense', step: 0.5 }, arrays: [] }]));
    const heard: string[] = [];
    let said = '';
    const signal = await new Promise<string | null>((resolve) => {
      const child = startChild(saying(bytes), {
        message: ({ header }) => heard.push(header.kind),
        ended: (_, by) => {
          said = child.said();
          resolve(by);
        },
      });
    });
    expect(signal).toBe('SIGKILL');
    expect(heard).toEqual([]);
    expect(said).toMatch(/malformed/);
  });
});
