import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openCsv } from '../../src/arrays/csv.ts';
import { temporaryFolder } from './folder.ts';

async function opened(text: string) {
  const path = join(await temporaryFolder(), 'a.csv');
  await writeFile(path, text);
  return openCsv(path, 'a.csv');
}

describe('a table is read', () => {
  test.each([
    ['with a header', 'x,y\n1,2\n3,4\n'],
    ['without a header', '1,2\n3,4\n'],
    ['with lines that end as on Windows', 'x,y\r\n1,2\r\n3,4\r\n'],
    ['with a byte order mark', '\ufeffx,y\n1,2\n3,4'],
    ['with comments, empty lines and spaces', '# made by hand\nx,y\n\n 1, 2\n# more\n3 ,4\n\n'],
    ['with quotes', '"x","y"\n"1","2"\n3,4\n'],
    ['with signs and exponents', '+1,2e0\n3.0,40e-1\n'],
  ])('%s', async (_how, text) => {
    const array = await opened(text);
    expect(array.shape).toEqual([2, 2]);
    expect([...(await array.elements(0, 4))]).toEqual([1, 2, 3, 4]);
  });

  test('with one column', async () => {
    const array = await opened('1\n2\n3\n');
    expect(array.shape).toEqual([3, 1]);
  });

  test('as no rows when there are none', async () => {
    expect((await opened('')).shape).toEqual([0, 1]);
    expect((await opened('x,y\n')).shape).toEqual([0, 2]);
  });

  test('with nan and inf as numbers, which the job then refuses by row', async () => {
    const array = await opened('nan,-inf\n1,2\n');
    expect([...(await array.elements(0, 2))]).toEqual([NaN, -Infinity]);
  });
});

test('ranges of rows equal slices of the whole, across checkpoints', async () => {
  const rows = 10_000;
  const text = `a,b\n${Array.from({ length: rows }, (_, n) => `${n},${n / 2}${n % 5 === 0 ? '\n' : ''}`).join('\n')}\n`;
  const array = await opened(text);
  expect(array.shape).toEqual([rows, 2]);
  const whole = Float64Array.from({ length: 2 * rows }, (_, n) => (n % 2 === 0 ? n / 2 : (n - 1) / 4));
  await fc.assert(
    fc.asyncProperty(fc.nat(2 * rows), fc.nat(50), async (begin, length) => {
      const end = Math.min(2 * rows, begin + length);
      expect(await array.elements(begin, end)).toEqual(whole.slice(begin, end));
    }),
    {
      numRuns: 12,
      examples: [
        [8190, 4],
        [2 * rows - 3, 3],
      ],
    },
  );
});

describe('refused with row and column:', () => {
  test.each([
    ['a word', '1,2\n3,four\n', 'a.csv: row 1, column 1 (from 0) is `four`, not a number'],
    ['an empty field', '1,2\n3,\n', 'a.csv: row 1, column 1 (from 0) is empty, not a number'],
    ['rows of different length', '1,2\n3\n', 'a.csv: row 1 (from 0) has 1 columns, the rows before it 2'],
    [
      'a header of another length',
      'x,y,z\n1,2\n',
      'a.csv: row 0 (from 0) has 2 columns, the rows before it 3',
    ],
    ['semicolons', 'x;y\n1;2\n', 'is `1;2`, not a number: columns are separated by commas'],
    ['hexadecimal', '0x10,1\n0x11,2\n', 'row 0, column 0 (from 0) is `0x10`, not a number'],
    ['a first row with a word in it', 'NA,1\n2,3\n', 'row 0, column 0 (from 0) is `NA`, not a number'],
    ['decimal commas', '0,5;1,25\n1,5;2,25\n', 'is `5;1`, not a number: columns are separated by commas'],
    ['exponents as in Fortran', '1d0,2d1\n3d0,4d1\n', 'row 0, column 0 (from 0) is `1d0`, not a number'],
  ])('%s', async (_what, text, message) => {
    await expect(opened(text)).rejects.toMatchObject({ tag: 'InputError' });
    await expect(opened(text)).rejects.toThrow(message);
  });

  test('a missing file', async () => {
    await expect(openCsv('/no/such.csv', 'such.csv')).rejects.toThrow('such.csv: there is no such file');
  });
});
