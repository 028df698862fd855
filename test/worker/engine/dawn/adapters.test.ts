import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mayHaveGpu } from '../../../../src/worker/engine/dawn/adapters.ts';
import { temporaryFolder } from '../../../arrays/folder.ts';

describe('whether a hardware GPU can be here', () => {
  test.each([
    [[], false],
    [['null', 'dri/card0'], false],
    [['nvidiactl'], false],
    [['nvidia0'], true],
    [['dri/renderD128'], true],
    [['dxg'], true],
  ])('with %j in /dev: %s', async (files, expected) => {
    const dev = await temporaryFolder();
    await mkdir(join(dev, 'dri'));
    for (const file of files) await writeFile(join(dev, file), '');
    expect(mayHaveGpu('linux', dev)).toBe(expected);
  });

  test('is asked of the system where /dev does not tell', () => {
    expect(mayHaveGpu('darwin', '/nowhere')).toBe(true);
  });
});
