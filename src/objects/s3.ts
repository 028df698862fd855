/** How are objects read and written over the S3 protocol? Requests signed by aws4fetch, tried again where that may help. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkewflowError } from '../errors.ts';
import { composedParts } from './compose.ts';
import { eachOf } from './each-of.ts';
import {
  type ObjectEntry,
  type ObjectPart,
  type ObjectStore,
  type Piece,
  type PutCondition,
  type PutOutcome,
  type StoredObject,
  unreachableCode,
} from './object-store.ts';
import type { S3Place, S3Settings } from './s3-settings.ts';
import { completeMultipartXml, element, type ListPage, parseListPage } from './s3-text.ts';

/** Objects above this are sent in parts of it; S3 takes parts from 5 MiB and at most 10 000 of them. */
const partBytesMin = 16 * 2 ** 20;
const partsMax = 10_000;
/** Parts of a composed object that are made at once: copies take as long as the storage is away, not as they are large. */
const partsAtOnce = 8;
/** Attempts at a request that met a lost connection, a 429 or a 5xx, and the longest first wait between them. */
const attemptsMax = 5;
const firstWaitMs = 100;
/** For one attempt: a part takes 27 s at 5 Mbit/s. */
const attemptMs = 120_000;

/**
 * The objects under `place`, in any storage that speaks S3.
 *
 * @throws UsageError when the environment does not say who asks
 *
 * Every method rejects with OutOfReachError when the storage cannot be reached or denies access.
 */
export async function openS3(place: S3Place, settings: S3Settings): Promise<ObjectStore> {
  const root = place.prefix === '' ? '' : `${place.prefix}/`;
  const url = `s3://${place.bucket}${root === '' ? '' : `/${place.prefix}`}`;
  const client = await clientFor(url, settings);
  return new S3Store(client, url, root, place.bucket, bucketUrl(place.bucket, settings));
}

/** Sends requests, signed where somebody asks. */
interface S3Client {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

async function clientFor(url: string, { identity, region }: S3Settings): Promise<S3Client> {
  switch (identity.kind) {
    case 'anonymous':
      return { fetch: (target, init) => fetch(target, init) };
    case 'unknown':
      throw new SkewflowError('UsageError', `${url}: ${identity.why}`);
    case 'keys': {
      const { AwsClient } = await import('aws4fetch');
      const { accessKeyId, secretAccessKey, sessionToken } = identity;
      const session = sessionToken === null ? {} : { sessionToken };
      return new AwsClient({ accessKeyId, secretAccessKey, ...session, service: 's3', region, retries: 0 });
    }
  }
}

class S3Store implements ObjectStore {
  readonly url: string;
  readonly #client: S3Client;
  readonly #root: string;
  readonly #bucketName: string;
  readonly #bucket: string;

  constructor(client: S3Client, url: string, root: string, bucketName: string, bucket: string) {
    this.url = url;
    this.#client = client;
    this.#root = root;
    this.#bucketName = bucketName;
    this.#bucket = bucket;
  }

  readonly head = async (key: string): Promise<{ size: number; etag: string } | null> => {
    const answer = await this.#send('HEAD', key);
    if (answer.status === 404) return null;
    await this.#succeed(answer, key);
    return { size: Number(answer.headers.get('content-length')), etag: answer.headers.get('etag') ?? '' };
  };

  readonly get = async (key: string, { range, etag }: ObjectPart = {}): Promise<StoredObject | null> => {
    if (range !== undefined && range.begin === range.end) return { bytes: Buffer.alloc(0), etag: etag ?? '' };
    const headers = {
      ...(range === undefined ? {} : { range: `bytes=${range.begin}-${range.end - 1}` }),
      ...(etag === undefined ? {} : { 'if-match': etag }),
    };
    const answer = await this.#send('GET', key, { headers });
    if (answer.status === 412) {
      await answer.body?.cancel();
      throw new SkewflowError('InputError', `${this.#name(key)}: the object was replaced while it was read`);
    }
    if (answer.status === 404) {
      const text = await answer.text();
      if (element(text, 'Code') === 'NoSuchBucket') this.#refuse(key, 'there is no such bucket');
      return null;
    }
    await this.#succeed(answer, key);
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (range !== undefined && bytes.length !== range.end - range.begin) {
      throw new SkewflowError(
        'InputError',
        `${this.#name(key)}: bytes [${range.begin}, ${range.end}) were asked for and ${bytes.length} came`,
      );
    }
    return { bytes, etag: answer.headers.get('etag') ?? '' };
  };

  readonly put = async (key: string, bytes: Uint8Array, condition?: PutCondition): Promise<PutOutcome> => {
    const answer = await this.#send('PUT', key, { body: bytes, headers: conditionHeaders(condition) });
    // 409: another conditional write to this key is under way; 404: `matches` where there is no object.
    const notAsDemanded = answer.status === 412 || answer.status === 409 || answer.status === 404;
    if (condition !== undefined && notAsDemanded) {
      const text = await answer.text();
      if (element(text, 'Code') === 'NoSuchBucket') this.#refuse(key, 'there is no such bucket');
      return { kind: 'refused' };
    }
    await this.#succeed(answer, key);
    await answer.body?.cancel();
    return { kind: 'stored', etag: answer.headers.get('etag') ?? '' };
  };

  readonly upload: ObjectStore['upload'] = async (key, size, read) => {
    if (size <= partBytesMin) {
      await this.put(key, await read(0, size));
      return;
    }
    const partBytes = Math.max(partBytesMin, Math.ceil(size / partsMax));
    const count = Math.ceil(size / partBytes);
    // One after another: `read` may be asked for what comes next only.
    await this.#inParts(key, count, 1, async (n, query) => {
      const begin = n * partBytes;
      return this.#sendPart(key, query, await read(begin, Math.min(size, begin + partBytes)));
    });
  };

  readonly compose: ObjectStore['compose'] = async (key, pieces) => {
    const parts = composedParts(pieces);
    const [first] = parts;
    if (first === undefined || (parts.length === 1 && first.kind === 'sent')) {
      await this.put(key, await this.#gathered(pieces));
      return;
    }
    await this.#inParts(key, parts.length, partsAtOnce, async (n, query) => {
      const part = parts[n]!;
      if (part.kind === 'sent') return this.#sendPart(key, query, await this.#gathered(part.pieces));
      const headers = {
        'x-amz-copy-source': `/${this.#bucketName}/${encodedPath(this.#root + part.key)}`,
        'x-amz-copy-source-range': `bytes=${part.begin}-${part.end - 1}`,
      };
      // As at the end of an upload, a failure may come with status 200.
      return this.#textOf(await this.#send('PUT', key, { query, headers }), key, 'ETag');
    });
  };

  async #gathered(pieces: readonly Piece[]): Promise<Buffer> {
    const all = pieces.map(async (piece): Promise<Uint8Array> => {
      if (piece.kind === 'bytes') return piece.bytes;
      const { key, begin, end } = piece;
      const stored = await this.get(key, { range: { begin, end } });
      return stored?.bytes ?? this.#refuse(key, 'there is no such object');
    });
    return Buffer.concat(await Promise.all(all));
  }

  /** An object that appears when all of its parts are there; `part` sends one of them, and gives its ETag. */
  async #inParts(
    key: string,
    count: number,
    atOnce: number,
    part: (n: number, query: string) => Promise<string>,
  ): Promise<void> {
    const id = await this.#textOf(await this.#send('POST', key, { query: 'uploads=' }), key, 'UploadId');
    const query = `uploadId=${encodeURIComponent(id)}`;
    try {
      const numbers = Array.from({ length: count }, (_, n) => n);
      const etags = await eachOf(numbers, atOnce, (n) => part(n, `partNumber=${n + 1}&${query}`));
      const body = Buffer.from(completeMultipartXml(etags));
      // The answer begins before the parts are joined: a failure comes in a document with status 200.
      await this.#textOf(await this.#send('POST', key, { query, body }), key, 'ETag');
    } catch (error) {
      // Parts of an upload that never ends are stored, and paid for.
      await this.#send('DELETE', key, { query }).catch(() => {});
      throw error;
    }
  }

  async #sendPart(key: string, query: string, body: Uint8Array): Promise<string> {
    const answer = await this.#send('PUT', key, { query, body });
    await this.#succeed(answer, key);
    await answer.body?.cancel();
    return answer.headers.get('etag') ?? '';
  }

  async *list(prefix: string): AsyncGenerator<ObjectEntry> {
    for await (const page of this.#pages(prefix, null)) {
      for (const entry of page.entries) yield { ...entry, key: entry.key.slice(this.#root.length) };
    }
  }

  async *names(prefix: string): AsyncGenerator<string> {
    const before = this.#root.length + prefix.length;
    for await (const { entries, prefixes } of this.#pages(prefix, '/')) {
      const keys = [...entries.map(({ key }) => key), ...prefixes.map((common) => common.slice(0, -1))];
      yield* keys.map((key) => key.slice(before)).filter((name) => name !== '');
    }
  }

  async *#pages(prefix: string, delimiter: string | null): AsyncGenerator<ListPage> {
    let next: string | null = null;
    do {
      const query: string = [
        ...(next === null ? [] : [`continuation-token=${encodeURIComponent(next)}`]),
        ...(delimiter === null ? [] : [`delimiter=${encodeURIComponent(delimiter)}`]),
        'encoding-type=url',
        'list-type=2',
        `prefix=${encodeURIComponent(this.#root + prefix)}`,
      ].join('&');
      const answer = await this.#send('GET', null, { query });
      await this.#succeed(answer, prefix);
      const page = parseListPage(await answer.text());
      yield page;
      next = page.next;
    } while (next !== null);
  }

  readonly delete = async (key: string): Promise<void> => {
    const answer = await this.#send('DELETE', key);
    if (answer.status !== 404) await this.#succeed(answer, key);
    await answer.body?.cancel();
  };

  /** One request, answered with any status but 429 and 5xx. */
  async #send(
    method: string,
    key: string | null,
    { query, body, headers }: { query?: string; body?: Uint8Array; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    const path = key === null ? '' : encodedPath(this.#root + key);
    const url = `${this.#bucket}/${path}${query === undefined ? '' : `?${query}`}`;
    const hash = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    for (let attempt = 1; ; attempt++) {
      let why: string;
      try {
        const answer = await this.#client.fetch(url, {
          method,
          // Signed with the request, so that what arrives is what was sent.
          headers: { ...headers, 'x-amz-content-sha256': hash },
          ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
          signal: AbortSignal.timeout(attemptMs),
        });
        if (answer.status < 500 && answer.status !== 429) return answer;
        why = `the storage answers ${answer.status} ${element(await answer.text(), 'Message') ?? answer.statusText}`;
      } catch (cause) {
        why = reasonOf(cause);
      }
      if (attempt === attemptsMax)
        return this.#refuse(key ?? '', `${why} (tried ${attemptsMax} times)`, unreachableCode);
      await sleep(Math.random() * firstWaitMs * 2 ** attempt);
    }
  }

  /** Refuses every answer that is no success. */
  async #succeed(answer: Response, key: string): Promise<void> {
    if (answer.ok) return;
    const text = await answer.text();
    const code = element(text, 'Code') ?? `${answer.status} ${answer.statusText}`;
    const message = element(text, 'Message');
    this.#refuse(key, message === null ? code : `${code}: ${message}`);
  }

  /** One element of an answer that must have it. */
  async #textOf(answer: Response, key: string, name: string): Promise<string> {
    await this.#succeed(answer, key);
    const text = await answer.text();
    return (
      element(text, name) ??
      this.#refuse(key, element(text, 'Message') ?? 'the storage did not finish the upload')
    );
  }

  #refuse(key: string, why: string, code: string | null = null): never {
    throw new SkewflowError('OutOfReachError', `${this.#name(key)}: ${why}`, { code });
  }

  #name(key: string): string {
    return key === '' ? this.url : `${this.url}/${key}`;
  }
}

/** Amazon's own buckets have hosts of their own, unless a dot in the name would break its certificate. */
function bucketUrl(bucket: string, { endpoint, region }: S3Settings): string {
  if (endpoint !== null) return `${endpoint}/${bucket}`;
  return bucket.includes('.')
    ? `https://s3.${region}.amazonaws.com/${bucket}`
    : `https://${bucket}.s3.${region}.amazonaws.com`;
}

/** RFC 3986 leaves `!'()*` reserved, which encodeURIComponent does not escape and S3 signs escaped. */
function encodedPath(key: string): string {
  return key
    .split('/')
    .map((name) =>
      encodeURIComponent(name).replace(/[!'()*]/gu, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
    )
    .join('/');
}

function conditionHeaders(condition: PutCondition | undefined): Record<string, string> {
  switch (condition?.kind) {
    case undefined:
      return {};
    case 'absent':
      return { 'if-none-match': '*' };
    case 'matches':
      return { 'if-match': condition.etag };
  }
}

/** fetch says `fetch failed` and keeps the reason as its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
