/** How bytes in a bucket are read by range, always of the same version. */
import { createHash } from 'node:crypto';
import { SkewflowError } from '../errors.ts';
import type { ObjectFacts, ObjectStore } from '../objects/object-store.ts';
import { openS3 } from '../objects/s3.ts';
import { parseS3Url, type S3Settings } from '../objects/s3-settings.ts';
import type { ByteFile } from './byte-file.ts';
import type { ByteTree } from './byte-tree.ts';

/**
 * One object, named by its whole URL.
 *
 * @throws InputError when it is not there; OutOfReachError; UsageError when the environment does not say who asks
 */
export async function openS3File(url: string, settings: S3Settings): Promise<ByteFile> {
  const [, parent, key] = /^(.*)\/([^/]+)$/u.exec(url) ?? [];
  const store = await storeOf(parent ?? url, settings, url);
  const facts = key === undefined ? null : await store.head(key);
  if (facts === null) throw new SkewflowError('InputError', `${url}: there is no such object`);
  const { size, etag } = facts;
  return {
    label: url,
    size,
    read: async (begin, end) => {
      const part = await store.get(key!, { range: { begin, end }, etag });
      if (part === null)
        throw new SkewflowError('InputError', `${url}: the object was deleted while it was read`);
      return part.bytes;
    },
    identity: `${url} ${etag} ${size} bytes`,
    close: async () => {},
  };
}

/** The objects below a URL. They are listed once; every read is of the version in the list. */
export async function openS3Tree(url: string, settings: S3Settings): Promise<ByteTree> {
  const store = await storeOf(url, settings, url);
  const objects = new Map<string, ObjectFacts>();
  for await (const { key, ...facts } of store.list('')) objects.set(key, facts);
  if (objects.size === 0) throw new SkewflowError('InputError', `${url}: there are no objects below it`);
  const read = async (path: string, range?: { begin: number; end: number }): Promise<Buffer | null> => {
    const facts = objects.get(path);
    if (facts === undefined) return null;
    const part = await store.get(path, { etag: facts.etag, ...(range === undefined ? {} : { range }) });
    if (part === null) {
      throw new SkewflowError('InputError', `${url}/${path}: the object was deleted while it was read`);
    }
    return part.bytes;
  };
  return {
    label: url,
    get: (path) => read(path),
    range: (path, range) => {
      const size = objects.get(path)?.size ?? 0;
      return read(
        path,
        'suffix' in range
          ? { begin: Math.max(0, size - range.suffix), end: size }
          : { begin: range.begin, end: Math.min(size, range.end) },
      );
    },
    members: async (path) => {
      const below = path === '' ? '' : `${path}/`;
      const keys = [...objects.keys()].filter((key) => key.startsWith(below));
      return [...new Set(keys.map((key) => key.slice(below.length).split('/')[0] ?? ''))];
    },
    identity: async (path) => {
      const below = [...objects].filter(([key]) => path === '' || key.startsWith(`${path}/`));
      return `${url} ${createHash('sha256').update(JSON.stringify(below)).digest('hex')}`;
    },
    close: async () => {},
  };
}

async function storeOf(place: string, settings: S3Settings, url: string): Promise<ObjectStore> {
  const parsed = parseS3Url(place);
  if (parsed === null) {
    throw new SkewflowError(
      'InputError',
      `${url}: expected s3://bucket/path, with a bucket of 3 to 63 characters`,
    );
  }
  return openS3(parsed, settings);
}
