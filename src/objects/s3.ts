/** How are objects read and written over the S3 protocol? `s3-requests.ts` sends; here is what is asked, and what answers mean. */
import { SkewflowError } from '../errors.ts';
import { composedParts, pieceBytes } from './compose.ts';
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
import { type S3Answer, type S3Request, S3Requests, saidIn } from './s3-requests.ts';
import type { S3Place, S3Settings } from './s3-settings.ts';
import { completeMultipartXml, type ListPage, parseListPage } from './s3-text.ts';

/** Objects above this are sent in parts of it; S3 takes parts from 5 MiB and at most 10 000 of them. */
const partBytesMin = 16 * 2 ** 20;
const partsMax = 10_000;
/** Parts of a composed object that are made at once: copies take as long as the storage is away, not as they are large. */
const partsAtOnce = 8;

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
  const requests = await S3Requests.of(url, settings);
  return new S3Store(requests, url, root, place.bucket, bucketUrl(place.bucket, settings));
}

class S3Store implements ObjectStore {
  readonly url: string;
  readonly #requests: S3Requests;
  readonly #root: string;
  readonly #bucketName: string;
  readonly #bucket: string;

  constructor(requests: S3Requests, url: string, root: string, bucketName: string, bucket: string) {
    this.url = url;
    this.#requests = requests;
    this.#root = root;
    this.#bucketName = bucketName;
    this.#bucket = bucket;
  }

  readonly head = async (key: string): Promise<{ size: number; etag: string } | null> => {
    const answer = await this.#send('HEAD', key);
    if (answer.status === 404) return null;
    this.#succeed(answer, key);
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
      throw new SkewflowError('InputError', `${this.#name(key)}: the object was replaced while it was read`);
    }
    if (answer.status === 404) {
      if (saidIn(answer, 'Code') === 'NoSuchBucket') this.#refuse(key, 'there is no such bucket');
      return null;
    }
    this.#succeed(answer, key);
    const { bytes } = answer;
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
      if (saidIn(answer, 'Code') === 'NoSuchBucket') this.#refuse(key, 'there is no such bucket');
      return { kind: 'refused' };
    }
    this.#succeed(answer, key);
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
    await this.#inParts(key, { size, count, atOnce: 1 }, async (n, query) => {
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
    const size = pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0);
    const plan = { size, count: parts.length, atOnce: partsAtOnce };
    await this.#inParts(key, plan, async (n, query) => {
      const part = parts[n]!;
      if (part.kind === 'sent') return this.#sendPart(key, query, await this.#gathered(part.pieces));
      const headers = {
        'x-amz-copy-source': `/${this.#bucketName}/${encodedPath(this.#root + part.key)}`,
        'x-amz-copy-source-range': `bytes=${part.begin}-${part.end - 1}`,
      };
      return this.#textOf(await this.#send('PUT', key, { query, headers, copies: true }), key, 'ETag');
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
    { size, count, atOnce }: { readonly size: number; readonly count: number; readonly atOnce: number },
    part: (n: number, query: string) => Promise<string>,
  ): Promise<void> {
    const id = this.#textOf(await this.#send('POST', key, { query: 'uploads=' }), key, 'UploadId');
    const query = `uploadId=${encodeURIComponent(id)}`;
    try {
      const numbers = Array.from({ length: count }, (_, n) => n);
      const etags = await eachOf(numbers, atOnce, (n) => part(n, `partNumber=${n + 1}&${query}`));
      await this.#join(key, size, query, etags);
    } catch (error) {
      // Parts of an upload that never ends are stored, and paid for.
      await this.#send('DELETE', key, { query }).catch(() => {});
      throw error;
    }
  }

  /** The end of an upload; it may have come before, and only the answer to it been lost: then the object is there. */
  async #join(key: string, size: number, query: string, etags: readonly string[]): Promise<void> {
    const body = Buffer.from(completeMultipartXml(etags));
    const answer = await this.#send('POST', key, { query, body, copies: true });
    if (saidIn(answer, 'Code') !== 'NoSuchUpload') this.#textOf(answer, key, 'ETag');
    else if ((await this.head(key))?.size !== size)
      this.#refuse(key, 'the storage has forgotten the upload before it was complete', unreachableCode);
  }

  async #sendPart(key: string, query: string, body: Uint8Array): Promise<string> {
    const answer = await this.#send('PUT', key, { query, body });
    this.#succeed(answer, key);
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
      this.#succeed(answer, prefix);
      const page = parseListPage(answer.bytes.toString('utf8'));
      if (page === null) this.#refuse(prefix, 'what the storage answers is no list', unreachableCode);
      yield page;
      next = page.next;
    } while (next !== null);
  }

  readonly delete = async (key: string): Promise<void> => {
    const answer = await this.#send('DELETE', key);
    if (answer.status !== 404) this.#succeed(answer, key);
  };

  /** One request, and an answer that sending it again would not better. */
  async #send(
    method: S3Request['method'],
    key: string | null,
    { query, ...more }: { readonly query?: string } & Partial<Omit<S3Request, 'method' | 'url'>> = {},
  ): Promise<S3Answer> {
    const path = key === null ? '' : encodedPath(this.#root + key);
    const url = `${this.#bucket}/${path}${query === undefined ? '' : `?${query}`}`;
    const outcome = await this.#requests.send({ method, url, ...more });
    if (outcome.kind === 'unreachable') return this.#refuse(key ?? '', outcome.why, unreachableCode);
    return outcome.answer;
  }

  /** Refuses every answer that is no success. */
  #succeed(answer: S3Answer, key: string): void {
    if (answer.ok) return;
    const code = saidIn(answer, 'Code') ?? `${answer.status} ${answer.statusText}`;
    const message = saidIn(answer, 'Message');
    this.#refuse(key, message === null ? code : `${code}: ${message}`);
  }

  /** One element of an answer that must have it. */
  #textOf(answer: S3Answer, key: string, name: string): string {
    this.#succeed(answer, key);
    return (
      saidIn(answer, name) ??
      this.#refuse(key, saidIn(answer, 'Message') ?? 'the storage did not finish the upload')
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
