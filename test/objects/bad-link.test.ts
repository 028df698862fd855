import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ObjectStore } from '../../src/objects/object-store.ts';
import { openS3 } from '../../src/objects/s3.ts';
import type { S3Settings } from '../../src/objects/s3-settings.ts';
import { openRoot } from '../../src/storage/root.ts';
import { type Asked, badLink, type Mishap, passingMishaps } from './bad-link.ts';
import { type Moto, motoMissing, motoPython, pageKeys, startMoto } from './moto.ts';

describe.skipIf(motoPython === null)(`a bucket behind a bad link${motoMissing}`, () => {
  let moto: Moto;
  let straight: ObjectStore;
  beforeAll(async () => {
    moto = await startMoto('a-bucket');
    straight = await openS3({ bucket: 'a-bucket', prefix: '' }, moto.settings);
  });
  afterAll(async () => moto?.[Symbol.asyncDispose]());

  /** The bucket through a link on which the first requests of a kind meet with a mishap. */
  async function behind(
    mishap: Mishap,
    times: number,
    of: (asked: Asked) => boolean,
    use: (store: ObjectStore, settings: S3Settings) => Promise<void>,
  ): Promise<readonly string[]> {
    let left = times;
    await using link = await badLink(moto.endpoint, (asked) => {
      if (left === 0 || !of(asked)) return null;
      left -= 1;
      return mishap;
    });
    const settings = { ...moto.settings, endpoint: link.url };
    await use(await openS3({ bucket: 'a-bucket', prefix: '' }, settings), settings);
    return link.mishaps;
  }
  const is =
    (method: string, text = ''): ((asked: Asked) => boolean) =>
    (asked) =>
      asked.method === method && asked.url.includes(text);

  test.concurrent.each([...passingMishaps, 'slow'] as const)(
    'reads what is there, although the link is %s',
    async (mishap) => {
      const bytes = randomBytes(100_000);
      await straight.put(`read/${mishap}`, bytes);
      const done = await behind(mishap, 2, is('GET', 'read'), async (store) => {
        expect((await store.get(`read/${mishap}`))?.bytes.equals(bytes)).toBe(true);
        const range = { begin: 7, end: 50_007 };
        expect((await store.get(`read/${mishap}`, { range }))?.bytes.equals(bytes.subarray(7, 50_007))).toBe(
          true,
        );
      });
      expect(done).toHaveLength(2);
    },
  );

  test.concurrent.each(['busy', 'cut-after', 'truncated'] as const)(
    'lists all there is, although the link is %s',
    async (mishap) => {
      const keys = Array.from(
        { length: pageKeys + 3 },
        (_, n) => `list-${mishap}/${String(n).padStart(3, '0')}`,
      );
      for (const key of keys) await straight.put(key, Buffer.from(key));
      await behind(mishap, 2, is('GET', 'list-type'), async (store) => {
        const listed: string[] = [];
        for await (const { key } of store.list(`list-${mishap}/`)) listed.push(key);
        expect(listed).toEqual(keys);
      });
    },
  );

  test.concurrent.each(['busy', 'cut-before', 'cut-after', 'done-but-busy'] as const)(
    'lets the first of two claims win, although the link is %s',
    async (mishap) => {
      const done = await behind(mishap, 2, is('PUT', 'claim'), async (_store, settings) => {
        const root = await openRoot('s3://a-bucket', settings);
        expect(await root.claim(`claim/${mishap}`, 'mine')).toBe('mine');
        expect(await root.claim(`claim/${mishap}`, 'late')).toBe('mine');
      });
      expect(done).toHaveLength(2);
      expect((await straight.get(`claim/${mishap}`))?.bytes.toString()).toBe('mine');
    },
  );

  test.concurrent.each([
    ['busy', 'POST', 'uploads='],
    ['cut-before', 'PUT', 'partNumber='],
    ['late', 'PUT', 'partNumber='],
    ['cut-after', 'POST', 'uploadId='],
    ['failed-inside', 'POST', 'uploadId='],
  ] as const)('takes a large object whole, although the link is %s at %s %s', async (mishap, method, at) => {
    const bytes = randomBytes(17 * 2 ** 20);
    const key = `large/${mishap}`;
    const done = await behind(mishap, 2, is(method, at), async (store) => {
      await store.upload(key, bytes.length, async (begin, end) => bytes.subarray(begin, end));
    });
    expect(done).toHaveLength(2);
    expect((await straight.get(key))?.bytes.equals(bytes)).toBe(true);
  });

  test.concurrent('copies parts again that failed with status 200', async () => {
    const bytes = randomBytes(20 * 2 ** 20);
    await straight.put('whole', bytes);
    const copies = ({ headers }: Asked): boolean => 'x-amz-copy-source' in headers;
    await behind('failed-inside', 2, copies, async (store) => {
      await store.compose('copied', [
        { kind: 'bytes', bytes: bytes.subarray(0, 10) },
        { kind: 'object', key: 'whole', begin: 10, end: bytes.length },
      ]);
    });
    expect((await straight.get('copied'))?.bytes.equals(bytes)).toBe(true);
  });

  test.concurrent.each(['expired', 'skewed'] as const)('says why it is refused, once: %s', async (mishap) => {
    const done = await behind(
      mishap,
      9,
      () => true,
      async (store) => {
        await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject({
          tag: 'OutOfReachError',
          message: expect.stringMatching(
            /^s3:\/\/a-bucket\/a: (ExpiredToken: The|RequestTimeTooSkewed: The)/u,
          ),
        });
      },
    );
    expect(done).toHaveLength(1);
  });
});
