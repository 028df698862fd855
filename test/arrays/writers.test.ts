import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openNpy } from '../../src/arrays/npy.ts';
import { createNpy, npyBytes } from '../../src/arrays/npy-writer.ts';
import { openNpz } from '../../src/arrays/npz.ts';
import { npzBytes, writeNpz } from '../../src/arrays/npz-writer.ts';
import { temporaryFolder } from './folder.ts';

describe('a .npy', () => {
  test('has the bytes that numpy.save writes', () => {
    // numpy 2: np.save(f, np.array([[1, 2, 3]], dtype='<f4'))
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }";
    const expected = Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
      Buffer.from(`${header.padEnd(117)}\n`, 'latin1'),
      Buffer.from('0000803f0000004000004040', 'hex'),
    ]);
    expect(npyBytes('f4', [1, 3], new Float32Array([1, 2, 3])).equals(expected)).toBe(true);
  });

  test.each<[readonly number[], string]>([
    [[], '()'],
    [[3], '(3,)'],
    [[2, 3], '(2, 3)'],
    [[2, 3, 4], '(2, 3, 4)'],
  ])('of shape %j names it as Python does', (shape, text) => {
    const bytes = npyBytes('f8', shape, new Float64Array(shape.reduce((a, b) => a * b, 1)));
    expect(bytes.toString('latin1')).toContain(`'shape': ${text}, }`);
    expect((bytes.readUInt16LE(8) + 10) % 64).toBe(0);
  });

  test('is written in place, in any order and from either precision', async () => {
    const path = join(await temporaryFolder(), 'x.npy');
    const writer = await createNpy(path, 'f4', [4, 2]);
    await Promise.all([
      writer.write(4, new Float64Array([5, 6, 7, 8])),
      writer.write(0, new Float32Array([1, 2])),
    ]);
    await writer.close();
    const array = await openNpy(path);
    expect(array.shape).toEqual([4, 2]);
    expect([...(await array.elements(0, 8))]).toEqual([1, 2, 0, 0, 5, 6, 7, 8]);
    await array.close();
  });

  test('is never written outside its shape', async () => {
    const writer = await createNpy(join(await temporaryFolder(), 'x.npy'), 'f8', [2]);
    await expect(writer.write(1, new Float64Array(2))).rejects.toThrow('elements [1, 3) of 2');
    await writer.close();
  });

  test('that cannot be made says why', async () => {
    await expect(createNpy('/no/such/folder/x.npy', 'f4', [1])).rejects.toMatchObject({
      tag: 'JobFailedError',
    });
  });
});

const arrays = [
  { name: 'sigma', shape: [], data: new Float64Array([0.5]) },
  { name: 'p', shape: [2, 3], data: new Float64Array([1, 2, 3, 4, 5, 6]) },
];

describe('a .npz', () => {
  test('gives back what was written', async () => {
    const path = join(await temporaryFolder(), 'gradient.npz');
    await writeNpz(path, arrays);
    for (const { name, shape, data } of arrays) {
      const array = await openNpz(path, name);
      expect(array.shape).toEqual(shape);
      expect(await array.elements(0, data.length)).toEqual(data);
      await array.close();
    }
  });

  test('is the same file for the same numbers, in whatever order and time zone', async () => {
    const first = await npzBytes(arrays);
    const zone = process.env['TZ'];
    try {
      process.env['TZ'] = 'Pacific/Kiritimati';
      expect((await npzBytes([...arrays].reverse())).equals(first)).toBe(true);
      process.env['TZ'] = 'America/Los_Angeles';
      expect((await npzBytes(arrays)).equals(first)).toBe(true);
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
  });

  test('has entries that are stored, sorted and dated 1980-01-01', async () => {
    const bytes = await npzBytes(arrays);
    // The central directory record: signature, method at 10, time at 12, date at 14, name at 46.
    const records: { method: number; time: number; date: number; name: string }[] = [];
    for (
      let at = bytes.indexOf('PK\x01\x02', 'latin1');
      at >= 0;
      at = bytes.indexOf('PK\x01\x02', at + 1, 'latin1')
    ) {
      const name = bytes.toString('latin1', at + 46, at + 46 + bytes.readUInt16LE(at + 28));
      records.push({
        method: bytes.readUInt16LE(at + 10),
        time: bytes.readUInt16LE(at + 12),
        date: bytes.readUInt16LE(at + 14),
        name,
      });
    }
    const jan1 = (1 << 5) | 1;
    expect(records).toEqual([
      { method: 0, time: 0, date: jan1, name: 'p.npy' },
      { method: 0, time: 0, date: jan1, name: 'sigma.npy' },
    ]);
  });
});

// --- numpy itself, where it is ------------------------------------------------------------------------------

function numpyVersion(): string | null {
  try {
    return execFileSync('python3', ['-c', 'import numpy; print(numpy.__version__)'], { stdio: 'pipe' })
      .toString()
      .trim();
  } catch {
    return null;
  }
}
const numpy = numpyVersion();

describe.skipIf(numpy === null)(`numpy ${numpy ?? '(skipped: python3 with numpy is not here)'}`, () => {
  const python = (code: string, folder: string): string =>
    execFileSync('python3', ['-c', `import numpy as np\n${code}`], { cwd: folder })
      .toString()
      .trim();

  test('loads what is written here', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'x.npy'), npyBytes('f4', [2, 2], new Float32Array([1, 2, 3, 4])));
    await writeNpz(join(folder, 'g.npz'), arrays);
    expect(python("print(np.load('x.npy').tolist())", folder)).toBe('[[1.0, 2.0], [3.0, 4.0]]');
    expect(
      python("g = np.load('g.npz'); print(sorted(g.files), g['p'].tolist(), g['sigma'].shape)", folder),
    ).toBe("['p', 'sigma'] [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]] ()");
  });

  test('writes the same bytes', async () => {
    const folder = await temporaryFolder();
    python("np.save('x.npy', np.arange(6, dtype='<f8').reshape(2, 3))", folder);
    const bytes = await readFile(join(folder, 'x.npy'));
    expect(npyBytes('f8', [2, 3], new Float64Array([0, 1, 2, 3, 4, 5])).equals(bytes)).toBe(true);
  });

  test('writes what is read here', async () => {
    const folder = await temporaryFolder();
    python(
      "a = np.arange(6, dtype='>i4').reshape(2, 3); np.savez_compressed('c.npz', a=a); np.savez('s.npz', a=a)",
      folder,
    );
    for (const file of ['c.npz', 's.npz']) {
      const array = await openNpz(join(folder, file), 'a');
      expect([...(await array.elements(0, 6))]).toEqual([0, 1, 2, 3, 4, 5]);
      await array.close();
    }
  });
});
