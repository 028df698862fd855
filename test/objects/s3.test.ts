import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ObjectStore } from '../../src/objects/object-store.ts';
import { openS3 } from '../../src/objects/s3.ts';
import { noS3, readS3Settings } from '../../src/objects/s3-settings.ts';
import { listening } from '../http-server.ts';
import { type Moto, motoMissing, motoPython, pageKeys, startMoto } from './moto.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

describe.skipIf(motoPython === null)(`a bucket of a moto server${motoMissing}`, () => {
  let moto: Moto;
  let store: ObjectStore;
  beforeAll(async () => {
    moto = await startMoto('a-bucket');
    store = await openS3({ bucket: 'a-bucket', prefix: 'runs' }, moto.settings);
  });
  afterAll(async () => moto?.[Symbol.asyncDispose]());

  test('gives back what was put, whole and by range, with size and ETag', async () => {
    const put = await store.put('deep/a.bin', bytes('0123456789'));
    expect(put.kind).toBe('stored');
    const facts = await store.head('deep/a.bin');
    expect(facts).toEqual({ size: 10, etag: put.kind === 'stored' ? put.etag : '' });
    expect((await store.get('deep/a.bin'))?.bytes.toString()).toBe('0123456789');
    expect((await store.get('deep/a.bin', { range: { begin: 3, end: 7 } }))?.bytes.toString()).toBe('3456');
    expect((await store.get('deep/a.bin', { range: { begin: 3, end: 3 } }))?.bytes.length).toBe(0);
  });

  test('holds nothing under a key that was never put, or was deleted', async () => {
    expect(await store.head('nothing')).toBeNull();
    expect(await store.get('nothing')).toBeNull();
    await store.put('gone', bytes('x'));
    await store.delete('gone');
    await store.delete('gone');
    expect(await store.get('gone')).toBeNull();
  });

  test('takes any name that a key can have', async () => {
    const names = ["it's (a) *key*!", 'a+b c/ü=1&x?#%25', '<&">'];
    for (const name of names) await store.put(`names/${name}`, bytes(name));
    for (const name of names) expect((await store.get(`names/${name}`))?.bytes.toString()).toBe(name);
    const listed: string[] = [];
    for await (const { key } of store.list('names/')) listed.push(key);
    expect(listed.sort()).toEqual(names.map((name) => `names/${name}`).sort());
  });

  test('lists more than one page, in order, with sizes and ETags', async () => {
    const keys = Array.from({ length: 2 * pageKeys + 3 }, (_, n) => `many/${String(n).padStart(3, '0')}`);
    for (const key of keys) await store.put(key, bytes(key));
    const entries = [];
    for await (const entry of store.list('many/')) entries.push(entry);
    expect(entries.map(({ key }) => key)).toEqual(keys);
    expect(entries.at(-1)).toMatchObject({ key: keys.at(-1), ...(await store.head(keys.at(-1)!)) });
    expect(Math.abs((entries.at(-1)?.writtenAt ?? 0) - Date.now())).toBeLessThan(60_000);
    const names = [];
    for await (const name of store.names('many/')) names.push(name);
    expect(names.sort()).toEqual(keys.map((key) => key.slice('many/'.length)));
    const above = [];
    for await (const name of store.names('')) above.push(name);
    expect(above.filter((name) => name === 'many' || name === 'deep').sort()).toEqual(['deep', 'many']);
  });

  test('lets one of two writers make an object, and one of two replace it', async () => {
    const made = [
      await store.put('once', bytes('a'), { kind: 'absent' }),
      await store.put('once', bytes('b'), { kind: 'absent' }),
    ];
    expect(made.map(({ kind }) => kind)).toEqual(['stored', 'refused']);
    const { etag } = (await store.head('once'))!;
    const first = await store.put('once', bytes('c'), { kind: 'matches', etag });
    const second = await store.put('once', bytes('d'), { kind: 'matches', etag });
    expect([first.kind, second.kind]).toEqual(['stored', 'refused']);
    expect((await store.get('once'))?.bytes.toString()).toBe('c');
    expect(await store.put('never', bytes('x'), { kind: 'matches', etag })).toEqual({ kind: 'refused' });
  });

  test('refuses to mix two versions of an object', async () => {
    await store.put('changes', bytes('0123456789'));
    const { etag } = (await store.head('changes'))!;
    await store.put('changes', bytes('9876543210'));
    await expect(store.get('changes', { range: { begin: 0, end: 4 }, etag })).rejects.toMatchObject({
      tag: 'InputError',
      message: 's3://a-bucket/runs/changes: the object was replaced while it was read',
    });
  });

  test('makes an object of pieces of others, large ones copied where they lie', async () => {
    const large = randomBytes(20 * 2 ** 20);
    const small = randomBytes(1000);
    await store.put('part/large', large);
    await store.put('part/small', small);
    const made = Buffer.concat([
      small,
      large.subarray(5),
      small.subarray(990),
      large.subarray(0, 9 * 2 ** 20),
    ]);
    await store.compose('composed', [
      { kind: 'bytes', bytes: small },
      { kind: 'object', key: 'part/large', begin: 5, end: large.length },
      { kind: 'object', key: 'part/small', begin: 990, end: 1000 },
      { kind: 'object', key: 'part/large', begin: 0, end: 9 * 2 ** 20 },
    ]);
    const whole = await store.get('composed');
    expect(whole?.bytes.equals(made)).toBe(true);
    await store.compose('composed', [{ kind: 'object', key: 'part/small', begin: 1, end: 9 }]);
    expect((await store.get('composed'))?.bytes.equals(small.subarray(1, 9))).toBe(true);
    await store.compose('empty', []);
    expect((await store.head('empty'))?.size).toBe(0);
    await expect(
      store.compose('never', [{ kind: 'object', key: 'part/none', begin: 0, end: 9 }]),
    ).rejects.toMatchObject({ tag: 'OutOfReachError' });
    expect(await store.head('never')).toBeNull();
  });

  test('takes a large object in parts, and nothing of one whose source fails', async () => {
    const size = 33 * 2 ** 20 + 7;
    const all = Buffer.alloc(size);
    for (let n = 0; n < size; n += 4099) all[n] = n % 251;
    await store.upload('large', size, async (begin, end) => all.subarray(begin, end));
    expect((await store.head('large'))?.size).toBe(size);
    const back = (await store.get('large'))!.bytes;
    const digest = (b: Buffer): string => createHash('sha256').update(b).digest('hex');
    expect(digest(back)).toBe(digest(all));

    const failing = store.upload('torn', size, async (begin, end) => {
      if (begin > 0) throw new Error('the disk is gone');
      return all.subarray(begin, end);
    });
    await expect(failing).rejects.toThrow('the disk is gone');
    expect(await store.head('torn')).toBeNull();
    const uploads = await fetch(`${moto.endpoint}/a-bucket?uploads`);
    expect(await uploads.text()).not.toContain('<Upload>');
  });

  test('names a bucket that is not there', async () => {
    const other = await openS3({ bucket: 'no-bucket', prefix: '' }, moto.settings);
    await expect(other.put('a', bytes('x'))).rejects.toMatchObject({
      tag: 'OutOfReachError',
      message: expect.stringMatching(/^s3:\/\/no-bucket\/a: NoSuchBucket/u),
    });
    await expect(other.get('a')).rejects.toThrow('there is no such bucket');
  });

  test('is asked again when it answers 503 or cuts the connection', async () => {
    let refusals = 0;
    await using flaky = await listening(async (request, response) => {
      refusals++;
      if (refusals === 1) return void response.writeHead(503).end();
      if (refusals === 2) return void response.destroy();
      // What was signed for this address is not valid at the other; moto does not mind.
      const answer = await fetch(`${moto.endpoint}${request.url}`, {
        headers: { authorization: request.headers.authorization ?? '' },
      });
      response.writeHead(answer.status, { etag: answer.headers.get('etag') ?? '' });
      response.end(Buffer.from(await answer.arrayBuffer()));
    });
    await store.put('there', bytes('at last'));
    const through = await openS3(
      { bucket: 'a-bucket', prefix: 'runs' },
      { ...moto.settings, endpoint: flaky.url },
    );
    expect((await through.get('there'))?.bytes.toString()).toBe('at last');
    expect(refusals).toBe(3);
  });
});

test('nobody signs where the environment says so', async () => {
  const heads: (string | undefined)[] = [];
  await using server = await listening((request, response) => {
    heads.push(request.headers.authorization);
    response.writeHead(200, { etag: '"1"' }).end('open to all');
  });
  const settings = readS3Settings({ AWS_NO_SIGN_REQUEST: 'YES', AWS_ENDPOINT_URL: server.url });
  const store = await openS3({ bucket: 'public', prefix: '' }, settings);
  expect((await store.get('a'))?.bytes.toString()).toBe('open to all');
  const signed = await openS3(
    { bucket: 'public', prefix: '' },
    readS3Settings({ AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_ENDPOINT_URL: server.url }),
  );
  await signed.get('a');
  expect(heads).toEqual([undefined, expect.stringMatching(/^AWS4-HMAC-SHA256 Credential=k/u)]);
});

test('a storage that cannot be reached is out of reach, with the reason', async () => {
  const settings = {
    identity: { kind: 'keys', accessKeyId: 'k', secretAccessKey: 's', sessionToken: null } as const,
    region: 'us-east-1',
    endpoint: 'http://127.0.0.1:9',
  };
  const store = await openS3({ bucket: 'a-bucket', prefix: '' }, settings);
  await expect(store.head('a')).rejects.toMatchObject({
    tag: 'OutOfReachError',
    message: expect.stringMatching(/^s3:\/\/a-bucket\/a: .*(tried 5 times)/u),
  });
});

test('without credentials in the environment the variables are named', async () => {
  await expect(openS3({ bucket: 'a-bucket', prefix: 'x' }, noS3)).rejects.toMatchObject({
    tag: 'UsageError',
    message: expect.stringMatching(/^s3:\/\/a-bucket\/x: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/u),
  });
});
