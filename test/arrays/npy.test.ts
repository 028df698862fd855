import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fromHalf } from '../../src/arrays/element-types.ts';
import { openNpy } from '../../src/arrays/npy.ts';
import { temporaryFolder } from './folder.ts';

/** A .npy as the format document describes it, written independently of the code under test. */
function npy(header: string, data: Buffer, version = 1): Buffer {
  const lengthBytes = version === 1 ? 2 : 4;
  const text = `${header.padEnd(Math.ceil((8 + lengthBytes + header.length) / 64) * 64 - 9 - lengthBytes)}\n`;
  const length = Buffer.alloc(lengthBytes);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Buffer.from([version, 0]),
    length,
    Buffer.from(text),
    data,
  ]);
}

const dictionary = (descr: string, shape: string, order = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

async function saved(bytes: Buffer, name = 'a.npy'): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, bytes);
  return path;
}

async function opened(bytes: Buffer) {
  const path = await saved(bytes);
  return openNpy(path, 'a.npy');
}

/** Each element type: how its three values are laid out in either byte order. */
const types: readonly [
  string,
  number,
  (view: DataView, at: number, little: boolean) => void,
  readonly number[],
][] = [
  ['f2', 2, (v, at, le) => v.setUint16(2 * at, [0x3c00, 0xc500, 0x3555][at]!, le), [1, -5, 0.333251953125]],
  ['f4', 4, (v, at, le) => v.setFloat32(4 * at, [1.5, -2, 0.1][at]!, le), [1.5, -2, Math.fround(0.1)]],
  ['f8', 8, (v, at, le) => v.setFloat64(8 * at, [1.5, -2, 0.1][at]!, le), [1.5, -2, 0.1]],
  ['i1', 1, (v, at) => v.setInt8(at, [1, -128, 127][at]!), [1, -128, 127]],
  ['i2', 2, (v, at, le) => v.setInt16(2 * at, [1, -300, 32767][at]!, le), [1, -300, 32767]],
  ['i4', 4, (v, at, le) => v.setInt32(4 * at, [1, -70000, 2147483647][at]!, le), [1, -70000, 2147483647]],
  [
    'i8',
    8,
    (v, at, le) => v.setBigInt64(8 * at, [1n, -(2n ** 40n), 2n ** 53n][at]!, le),
    [1, -(2 ** 40), 2 ** 53],
  ],
  ['u1', 1, (v, at) => v.setUint8(at, [1, 2, 255][at]!), [1, 2, 255]],
  ['u2', 2, (v, at, le) => v.setUint16(2 * at, [1, 2, 65535][at]!, le), [1, 2, 65535]],
  ['u4', 4, (v, at, le) => v.setUint32(4 * at, [1, 2, 4294967295][at]!, le), [1, 2, 4294967295]],
  ['u8', 8, (v, at, le) => v.setBigUint64(8 * at, [1n, 2n, 2n ** 60n][at]!, le), [1, 2, 2 ** 60]],
];

describe.each(types)('elements of type %s', (name, bytes, put, expected) => {
  test.each(['<', '>'])('are read in byte order %s', async (order) => {
    const data = Buffer.alloc(3 * bytes);
    const view = new DataView(data.buffer, data.byteOffset);
    for (const at of [0, 1, 2]) put(view, at, order === '<');
    const array = await opened(npy(dictionary(`${bytes === 1 ? '|' : order}${name}`, '(3,)'), data));
    expect([...(await array.elements(0, 3))]).toEqual(expected);
    expect([...(await array.elements(1, 2))]).toEqual(expected.slice(1, 2));
    await array.close();
  });
});

test('halves are read with their subnormals, infinities and NaN', () => {
  expect([0x0001, 0x8000, 0x7c00, 0xfc00, 0x7bff].map(fromHalf)).toEqual([
    2 ** -24,
    -0,
    Infinity,
    -Infinity,
    65504,
  ]);
  expect(fromHalf(0x7e00)).toBeNaN();
});

const floats = (...values: number[]): Buffer => Buffer.from(new Float32Array(values).buffer);

describe('the header', () => {
  test.each([1, 2, 3])('is read in version %i', async (version) => {
    const array = await opened(npy(dictionary('<f4', '(2, 3)'), floats(1, 2, 3, 4, 5, 6), version));
    expect(array.shape).toEqual([2, 3]);
    expect([...(await array.elements(3, 6))]).toEqual([4, 5, 6]);
    await array.close();
  });

  test('may be longer than the first read', async () => {
    const array = await opened(npy(dictionary('<f4', '(2,)') + ' '.repeat(2000), floats(7, 8)));
    expect([...(await array.elements(0, 2))]).toEqual([7, 8]);
    await array.close();
  });

  test.each([
    ['()', []],
    ['(3,)', [3]],
    ['(3L, 1L)', [3, 1]],
    ['(0, 3)', [0, 3]],
  ])('gives shape %s', async (text, shape) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const array = await opened(
      npy(dictionary('<f4', text), floats(...Array.from({ length: count }, () => 1))),
    );
    expect(array.shape).toEqual(shape);
    await array.close();
  });

  test('in Fortran order is read where both orders are the same bytes', async () => {
    const array = await opened(npy(dictionary('<f4', '(3, 1)', 'True'), floats(1, 2, 3)));
    expect([...(await array.elements(0, 3))]).toEqual([1, 2, 3]);
    await array.close();
  });
});

describe('refused with what to do:', () => {
  const data = floats(1, 2, 3, 4, 5, 6);
  const good = npy(dictionary('<f4', '(2, 3)'), data);
  test.each<[string, Buffer, string]>([
    [
      'Fortran order',
      npy(dictionary('<f4', '(2, 3)', 'True'), data),
      'save it with `np.save(path, np.ascontiguousarray(a))`',
    ],
    [
      'bool',
      npy(dictionary('|b1', '(24,)'), data),
      "the array holds truth values (`|b1`), not real numbers: convert them: `a.astype('f4')`",
    ],
    ['complex', npy(dictionary('<c8', '(3,)'), data), 'the array holds complex numbers (`<c8`)'],
    ['objects', npy(dictionary('|O', '(3,)'), data), 'the array holds Python objects (`|O`)'],
    ['text', npy(dictionary('<U3', '(2,)'), data), 'the array holds text (`<U3`)'],
    ['dates', npy(dictionary('<M8[ns]', '(3,)'), data), 'the array holds dates (`<M8[ns]`)'],
    [
      'records',
      npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", data),
      'the array holds records, not numbers: save each field as an array of its own',
    ],
    [
      'long doubles',
      npy(dictionary('<f16', '(1,)'), data),
      "elements of type `<f16` are not read: save it as `a.astype('f8')`",
    ],
    [
      'truncation',
      good.subarray(0, good.length - 5),
      'the file is truncated: copy or save it again (shape (2, 3) of `<f4` needs 152 bytes, the file has 147)',
    ],
    [
      'truncation inside the header',
      good.subarray(0, 40),
      'the file is truncated: its header alone has 128 bytes, the file has 40',
    ],
    ['a file that is too long', Buffer.concat([good, data]), 'the file is longer than its header says'],
    [
      'another format',
      Buffer.from('x,y\n1,2\n1,2,3,4'),
      'not a .npy file: it does not begin with \\x93NUMPY',
    ],
    ['a zip file', Buffer.from('PK\x03\x04xxxxxxxxxxxx'), 'this is a zip file, not a .npy'],
    ['an empty file', Buffer.alloc(0), 'not a .npy file'],
    [
      'a version of the future',
      Buffer.concat([Buffer.from('\x93NUMPY\x04\x00', 'latin1'), good.subarray(8)]),
      '.npy format version 4 is not known',
    ],
    [
      'a header that claims too much',
      npy(dictionary('<f4', '(99999999, 99999999, 99999999)'), data),
      'the .npy header is damaged: shape',
    ],
    [
      'a header without shape',
      npy("{'descr': '<f4', 'fortran_order': False}", data),
      'the .npy header is damaged',
    ],
  ])('%s', async (_what, bytes, message) => {
    const path = await saved(bytes);
    await expect(openNpy(path, 'a.npy')).rejects.toMatchObject({
      tag: 'InputError',
      message: expect.stringContaining(`a.npy: `),
    });
    await expect(openNpy(path, 'a.npy')).rejects.toThrow(message);
  });

  test('a missing file', async () => {
    await expect(openNpy('/no/such/file.npy', 'file.npy')).rejects.toThrow('file.npy: there is no such file');
  });

  test('a folder', async () => {
    await expect(openNpy(await temporaryFolder(), 'data.npy')).rejects.toThrow('data.npy: this is a folder');
  });
});

test('expected and actual bytes of a truncated file are in the details', async () => {
  const good = npy(dictionary('<f8', '(4,)'), Buffer.alloc(32));
  const path = await saved(good.subarray(0, good.length - 8));
  await expect(openNpy(path)).rejects.toMatchObject({
    details: { expected: good.length, actual: good.length - 8 },
  });
});

test('a file of 2 GB is read by slices, never whole', async () => {
  const rows = 2 ** 28;
  const path = join(await temporaryFolder(), 'large.npy');
  const header = npy(dictionary('<f8', `(${rows},)`), Buffer.alloc(0));
  const handle = await open(path, 'w');
  await handle.write(header);
  await handle.write(Buffer.from(new Float64Array([3, 4]).buffer), 0, 16, header.length + 8 * (rows - 2));
  await handle.close();
  const array = await openNpy(path);
  expect(array.shape).toEqual([rows]);
  expect([...(await array.elements(rows - 3, rows))]).toEqual([0, 3, 4]);
  await array.close();
});

test('a file that is shortened while it is read is reported, not misread', async () => {
  const path = await saved(npy(dictionary('<f8', '(4,)'), Buffer.alloc(32)));
  const array = await openNpy(path, 'a.npy');
  await writeFile(path, '');
  await expect(array.elements(0, 4)).rejects.toThrow('it was shortened while it was read');
  await array.close();
});

test('equal content has equal identity, wherever the file lies', async () => {
  const bytes = npy(dictionary('<f8', '(4,)'), Buffer.alloc(32));
  const other = npy(dictionary('<f8', '(4,)'), Buffer.alloc(32, 1));
  const [a, b, c] = await Promise.all(
    [saved(bytes), saved(bytes, 'b.npy'), saved(other)].map(async (p) => openNpy(await p)),
  );
  expect(a!.identity).toBe(b!.identity);
  expect(a!.identity).not.toBe(c!.identity);
  await Promise.all([a!.close(), b!.close(), c!.close()]);
});
