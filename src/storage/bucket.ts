/**
 * How is a root kept in a bucket? One object a key; an object is there whole or not at all, and nothing is renamed. Of
 * several who claim a key, the storage's conditional write lets one win.
 */
import { createHash, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, open, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { noRoomFor } from '../arrays/temporary.ts';
import { isSkewflowError, SkewflowError } from '../errors.ts';
import { eachOf } from '../objects/each-of.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openS3 } from '../objects/s3.ts';
import type { S3Place, S3Settings } from '../objects/s3-settings.ts';
import { changedMeanwhile } from './copy-in.ts';
import type { BucketRoot, OnBytes, Stored } from './root.ts';

/** Requests that are under way at once where many are made. */
const atOnce = 16;
/** Bytes asked for at once when an object is copied out. */
const rangeBytes = 2 ** 24;
/** Arrays up to this size are copied here before they are read: it is what identifies them by all of their content. */
const copiedWholeBytesMax = 2 ** 24;

/**
 * @throws UsageError when the environment does not say who asks; OutOfReachError when nothing can be written there
 */
export async function openBucket(place: S3Place, s3: S3Settings): Promise<BucketRoot> {
  const objects = await openS3(place, s3);
  const { url } = objects;
  const copies = new Copies(objects);
  const root: BucketRoot = {
    kind: 'bucket',
    url,
    objects,
    nodeLocal: null,
    freeBytes: async () => null,
    read: async (key) => (await objects.get(key))?.bytes ?? null,
    write: async (key, bytes) => {
      await objects.put(key, Buffer.from(bytes));
    },
    claim: (key, text) => claim(objects, key, text),
    names: async (key) => [...(await listed(objects.names(`${key}/`)))].sort(),
    under: (key) => storedUnder(objects, key),
    remove: async (key) => {
      await objects.delete(key);
      const below = await storedUnder(objects, key);
      await eachOf(below, atOnce, ({ path }) => objects.delete(`${key}/${path}`));
    },
    has: async (key) => (await objects.head(key)) !== null,
    keep: (key, path, sha256, onBytes) => keep(objects, key, path, { sha256, onBytes }),
    copyOut: (key, path) => copyOut(objects, key, path),
    place: (key) => copies.place(key),
  };
  // Refused at the door rather than after the first gradient. Others may be at this door, too.
  const probe = `.probe-${randomUUID()}`;
  await root.write(probe, '');
  await objects.delete(probe);
  return root;
}

async function listed<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function storedUnder(objects: ObjectStore, key: string): Promise<readonly Stored[]> {
  const entries = await listed(objects.list(`${key}/`));
  return entries.map(({ key: full, size, writtenAt }) => ({
    path: full.slice(key.length + 1),
    bytes: size,
    keptAt: writtenAt,
  }));
}

/** Refused means that there is one, or that another write to it is under way: then it is not there yet, or never will be. */
async function claim(objects: ObjectStore, key: string, text: string): Promise<string> {
  for (;;) {
    const known = await objects.get(key);
    if (known !== null) return known.bytes.toString('utf8');
    const { kind } = await objects.put(key, Buffer.from(text), { kind: 'absent' });
    if (kind === 'stored') return text;
  }
}

/** An object appears when its last part is there, and the last part is not sent unless all is what it should be. */
async function keep(
  objects: ObjectStore,
  key: string,
  path: string,
  { sha256, onBytes }: { readonly sha256: string; readonly onBytes: OnBytes },
): Promise<void> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const hash = createHash('sha256');
    await objects.upload(key, size, async (begin, end) => {
      const buffer = Buffer.alloc(end - begin);
      for (let at = 0; at < buffer.length; ) {
        const { bytesRead } = await file.read(buffer, at, buffer.length - at, begin + at);
        if (bytesRead === 0) throw changedMeanwhile(path, objects.url);
        at += bytesRead;
      }
      hash.update(buffer);
      if (end === size && hash.digest('hex') !== sha256) throw changedMeanwhile(path, objects.url);
      onBytes(buffer.length);
      return buffer;
    });
  } finally {
    await file.close();
  }
}

/** Range after range, all of one version. */
async function copyOut(objects: ObjectStore, key: string, path: string): Promise<number> {
  const facts = await objects.head(key);
  if (facts === null) throw new SkewflowError('InputError', `${objects.url}/${key}: there is no such object`);
  const { size, etag } = facts;
  await writeFile(path, '');
  const file = await open(path, 'r+');
  try {
    const begins = Array.from({ length: Math.ceil(size / rangeBytes) }, (_, n) => n * rangeBytes);
    await eachOf(begins, 4, async (begin) => {
      const part = await objects.get(key, {
        range: { begin, end: Math.min(size, begin + rangeBytes) },
        etag,
      });
      if (part === null)
        throw new SkewflowError(
          'InputError',
          `${objects.url}/${key}: the object was deleted while it was read`,
        );
      await file.writev([part.bytes], begin);
    });
    return size;
  } finally {
    await file.close();
  }
}

/**
 * Inputs of jobs as arrays are opened: a large .npy is read where it lies, by range; the rest is copied to this machine once,
 * into a folder that goes with this process. Their names are their content, so a copy is never out of date.
 */
class Copies {
  readonly #objects: ObjectStore;
  readonly #known = new Map<string, Promise<string>>();
  #folder: Promise<string> | null = null;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  place(key: string): Promise<string> {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = this.#placed(key);
    this.#known.set(key, made);
    // A copy that failed is tried again by whoever asks next.
    made.catch(() => this.#known.delete(key));
    return made;
  }

  async #placed(key: string): Promise<string> {
    const size = (await this.#objects.head(key))?.size ?? 0;
    if (extname(key) === '.npy' && size > copiedWholeBytesMax) return `${this.#objects.url}/${key}`;
    try {
      const path = join(await this.#temporary(), key.replaceAll('/', '-'));
      await copyOut(this.#objects, key, `${path}.partial`);
      await rename(`${path}.partial`, path);
      return path;
    } catch (cause) {
      // What is wrong in the bucket has a name already.
      throw isSkewflowError(cause) ? cause : noRoomFor(`${this.#objects.url}/${key}`, cause);
    }
  }

  #temporary(): Promise<string> {
    if (this.#folder === null) {
      this.#folder = temporaryFolder();
      this.#folder.catch(() => {
        this.#folder = null;
      });
    }
    return this.#folder;
  }
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'skewflow-inputs-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
