import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { openArray } from '../../src/arrays/open.ts';
import { publicReach } from '../../src/arrays/reach.ts';
import type { RawArray } from '../../src/arrays/source.ts';
import { answerFile, listening } from '../http-server.ts';

const numbers = Float64Array.from({ length: 3000 }, (_, n) => n / 7);
const npy = npyBytes('f8', [1000, 3], numbers);

async function arrayOf(url: string, ...allowHosts: readonly string[]): Promise<RawArray> {
  const opened = await openArray(url, 'x', '.', { ...publicReach, allowHosts });
  if (opened.kind !== 'array') throw new Error('a URL is an array');
  return opened.array;
}

describe('a .npy behind a URL', () => {
  test('is read by rows, and no more of it than these', async () => {
    let sent = 0;
    await using server = await listening((request, response) => {
      response.on('finish', () => {
        sent += Number(response.getHeader('content-length') ?? 0);
      });
      answerFile(request, response, npy, { etag: '"v1"' });
    });
    const array = await arrayOf(`${server.url}/data/x.npy?signature=secret`, server.host);
    expect(array.shape).toEqual([1000, 3]);
    expect(await array.elements(1500, 1530)).toEqual(numbers.slice(1500, 1530));
    expect(array.label).toBe(`${server.url}/data/x.npy`);
    expect(array.identity).toBe(`${server.url}/data/x.npy "v1" ${npy.length} bytes`);
    expect(sent).toBeLessThan(2000);
    await array.close();
  });

  test.each([
    ['another ETag', { etag: '"v1"' }, { etag: '"v2"' }, npy],
    ['another weak ETag', { etag: 'W/"v1"' }, { etag: 'W/"v2"' }, npy],
    ['another date', { 'last-modified': 'Mon' }, { 'last-modified': 'Tue' }, npy],
    ['another length', { 'last-modified': 'Mon' }, { 'last-modified': 'Mon' }, Buffer.concat([npy, npy])],
  ])('that is replaced while it is read is refused: %s', async (_what, before, after, later) => {
    let replaced = false;
    await using server = await listening((request, response) =>
      answerFile(request, response, replaced ? later : npy, replaced ? after : before),
    );
    const array = await arrayOf(`${server.url}/x.npy`, server.host);
    expect(await array.elements(0, 3)).toEqual(numbers.slice(0, 3));
    replaced = true;
    await expect(array.elements(3, 6)).rejects.toMatchObject({
      tag: 'InputError',
      message: `${server.url}/x.npy: the file was replaced while it was read`,
    });
    await array.close();
  });

  test.each([
    ['there is no such file (404)', { kind: 'status', status: 404 }],
    ['access is denied (403)', { kind: 'status', status: 403 }],
    ['the file is empty', { kind: 'file', bytes: Buffer.alloc(0), validator: { etag: '"v1"' } }],
    ['the server sends neither ETag nor Last-Modified', { kind: 'file', bytes: npy, validator: {} }],
    ['the server gives whole files only', { kind: 'whole' }],
    ['the answer is longer than 1 bytes', { kind: 'long' }],
    ['is redirected more than 5 times', { kind: 'round' }],
    [
      'not a .npy file',
      { kind: 'file', bytes: Buffer.from('<html>login</html>'), validator: { etag: '"v1"' } },
    ],
  ] as const)('is refused: %s', async (message, what) => {
    await using server = await listening((request, response) => {
      switch (what.kind) {
        case 'status':
          return response.writeHead(what.status).end();
        case 'file':
          return answerFile(request, response, what.bytes, what.validator);
        case 'whole':
          return response.writeHead(200, { etag: '"v1"' }).end(npy);
        case 'long':
          return response.writeHead(206, { etag: '"v1"', 'content-range': 'bytes 0-0/9' }).end(npy);
        case 'round':
          return response.writeHead(302, { location: '/x.npy' }).end();
      }
    });
    await expect(arrayOf(`${server.url}/x.npy`, server.host)).rejects.toMatchObject({
      tag: 'InputError',
      message: expect.stringContaining(message),
    });
  });

  test('is asked for again when the server is busy or cuts the connection, and then given up', async () => {
    let requests = 0;
    await using server = await listening((request, response) => {
      requests++;
      if (request.url === '/busy.npy') return response.writeHead(503).end();
      if (requests === 1) return response.destroy();
      return answerFile(request, response, npy, { etag: '"v1"' });
    });
    const array = await arrayOf(`${server.url}/x.npy`, server.host);
    expect(await array.elements(2997, 3000)).toEqual(numbers.slice(2997));
    await array.close();
    await expect(arrayOf(`${server.url}/busy.npy`, server.host)).rejects.toMatchObject({
      tag: 'OutOfReachError',
      message: `${server.url}/busy.npy: the server answers 503 (tried 4 times)`,
    });
  });
});

describe('a host that is not public', () => {
  test.each([
    [
      'http://127.0.0.1:1/x.npy',
      'only https is read; a host of your own is allowed with `--allow-host 127.0.0.1:1`',
    ],
    ['https://127.0.0.1:1/x.npy', '127.0.0.1 is 127.0.0.1, no public address'],
    ['https://[::1]:1/x.npy', '[::1] is ::1, no public address'],
    ['https://169.254.169.254/latest/x.npy', '169.254.169.254 is 169.254.169.254, no public address'],
    // Numbers in other notations are the address they mean.
    ['https://2130706433/x.npy', '127.0.0.1 is 127.0.0.1, no public address'],
    [
      'https://localhost:1/x.npy',
      'no public address; a host of your own is allowed with `--allow-host localhost:1`',
    ],
    ['https://me:word@example.org/x.npy', 'a URL holds no user name and no password'],
  ])('is not asked: %s', async (url, message) => {
    await expect(arrayOf(url)).rejects.toMatchObject({
      tag: 'InputError',
      message: expect.stringContaining(message),
    });
  });

  test('is not reached by a redirect either', async () => {
    let asked = false;
    await using inside = await listening((_request, response) => {
      asked = true;
      response.end();
    });
    await using server = await listening((_request, response) =>
      response.writeHead(302, { location: `${inside.url}/x.npy` }).end(),
    );
    await expect(arrayOf(`${server.url}/x.npy`, server.host)).rejects.toThrow(
      `${inside.url}/x.npy: only https is read`,
    );
    expect(asked).toBe(false);
  });

  test('is reached by a redirect when both are allowed', async () => {
    await using inside = await listening((request, response) =>
      answerFile(request, response, npy, { etag: '"v1"' }),
    );
    await using server = await listening((_request, response) =>
      response.writeHead(307, { location: `${inside.url}/x.npy` }).end(),
    );
    const array = await arrayOf(`${server.url}/x.npy`, server.host, inside.host);
    expect(await array.elements(0, 3)).toEqual(numbers.slice(0, 3));
    await array.close();
  });
});

describe('a zarr behind a URL', () => {
  const folder = fileURLToPath(new URL('zarr/', import.meta.url));
  /** i + j / 7, as zarr/make.py fills it. */
  const rows = Float64Array.from({ length: 33 }, (_, n) => Math.floor(n / 3) + (n % 3) / 7);
  const fileAt = (url: string): Promise<Buffer | null> =>
    readFile(folder + decodeURIComponent(url.slice(1))).catch(() => null);

  test.each(['zstd', 'sharded'])('is read by its chunks: %s', async (name) => {
    await using server = await listening(async (request, response) =>
      answerFile(request, response, await fileAt(request.url!), { etag: '"v1"' }),
    );
    const array = await arrayOf(`${server.url}/v3.zarr#${name}`, server.host);
    expect(array.label).toBe(`${server.url}/v3.zarr#${name}`);
    expect(await array.elements(0, 33)).toEqual(rows);
    await array.close();
  });

  test('whose chunk is replaced between two reads is refused', async () => {
    let version = 1;
    await using server = await listening(async (request, response) =>
      answerFile(request, response, await fileAt(request.url!), { etag: `"v${version}"` }),
    );
    const array = await arrayOf(`${server.url}/v3.zarr#sharded`, server.host);
    await array.elements(0, 6);
    version = 2;
    await expect(array.elements(6, 12)).rejects.toThrow('the file was replaced while it was read');
    await array.close();
  });
});
