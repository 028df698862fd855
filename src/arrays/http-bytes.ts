/** How bytes behind a URL are read by range, always of the same version. */
import { createHash } from 'node:crypto';
import { SkewflowError } from '../errors.ts';
import type { ByteFile } from './byte-file.ts';
import type { ByteTree } from './byte-tree.ts';
import { type AllowedHosts, type HttpAnswer, HttpClient, withoutQuery } from './http-client.ts';

/** The longest part of a zarr: a chunk, or its description. */
const partBytesMax = 2 ** 30;

/**
 * A file behind a URL. Its length and its ETag (or Last-Modified) are kept; every further answer must have the same.
 *
 * @throws InputError when it is not there, or the server does not say which version it gives; OutOfReachError
 */
export async function openHttpFile(url: URL, hosts: AllowedHosts): Promise<ByteFile> {
  const client = new HttpClient(hosts);
  try {
    return await opened(client, url);
  } catch (error) {
    client.close();
    throw error;
  }
}

async function opened(client: HttpClient, url: URL): Promise<ByteFile> {
  const label = withoutQuery(url);
  const first = await client.get(url, {
    headers: { range: 'bytes=0-0' },
    bytesMax: 1,
    withoutBody: [200],
  });
  refuseFailure(first, label);
  const version = versionOf(first, label);
  const size = totalOf(first);
  if (first.status !== 206 || size === null) {
    throw new SkewflowError(
      'InputError',
      `${label}: the server gives whole files only, no ranges of bytes: download it beside the job`,
    );
  }
  return {
    label,
    size,
    read: async (begin, end) => {
      if (begin === end) return Buffer.alloc(0);
      const range = `bytes=${begin}-${end - 1}`;
      const answer = await client.get(url, {
        headers: { range, ...ifMatch(version) },
        bytesMax: end - begin,
      });
      if (answer.status === 412 || answer.status === 416) throw changed(label);
      refuseFailure(answer, label);
      if (versionOf(answer, label) !== version || totalOf(answer) !== size) throw changed(label);
      if (answer.bytes.length !== end - begin) {
        throw new SkewflowError(
          'InputError',
          `${label}: bytes [${begin}, ${end}) were asked for and ${answer.bytes.length} came`,
        );
      }
      return answer.bytes;
    },
    identity: `${label} ${version} ${size} bytes`,
    close: async () => client.close(),
  };
}

/**
 * The files below a URL. The version of each is kept when it is first read; later answers must have the same.
 */
export function openHttpTree(url: URL, hosts: AllowedHosts): ByteTree {
  const client = new HttpClient(hosts);
  const label = withoutQuery(url);
  const versions = new Map<string, string>();
  const read = async (path: string, headers: Readonly<Record<string, string>>): Promise<Buffer | null> => {
    const target = new URL(url);
    target.pathname = `${target.pathname.replace(/\/$/u, '')}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const name = withoutQuery(target);
    const answer = await client.get(target, { headers, bytesMax: partBytesMax });
    if (answer.status !== 404) refuseFailure(answer, name);
    if (headers['range'] !== undefined && answer.status === 200) {
      throw new SkewflowError('InputError', `${name}: the server gives whole files only, no ranges of bytes`);
    }
    const version = answer.status === 404 ? 'absent' : versionOf(answer, name);
    if ((versions.get(path) ?? version) !== version) throw changed(name);
    versions.set(path, version);
    return answer.status === 404 ? null : answer.bytes;
  };
  return {
    label,
    get: (path) => read(path, {}),
    range: (path, range) =>
      read(path, {
        range:
          'suffix' in range
            ? `bytes=-${range.suffix}`
            : `bytes=${range.begin}-${Math.max(range.begin, range.end - 1)}`,
      }),
    members: async () => [],
    // What there is cannot be listed; the descriptions read so far stand for it.
    identity: async () => {
      const read = [...versions].sort(([a], [b]) => (a < b ? -1 : 1));
      return `${label} ${createHash('sha256').update(JSON.stringify(read)).digest('hex')}`;
    },
    close: async () => client.close(),
  };
}

/** What tells one version of a file from another. */
function versionOf({ headers }: HttpAnswer, label: string): string {
  const version = headers.etag ?? headers['last-modified'];
  if (version !== undefined) return version;
  throw new SkewflowError(
    'InputError',
    `${label}: the server sends neither ETag nor Last-Modified, so a change would not be noticed: download it beside the job`,
  );
}

/** The length of the whole file, from the answer to a range. */
function totalOf({ headers }: HttpAnswer): number | null {
  const total = /^bytes \d+-\d+\/(\d+)$/u.exec(headers['content-range'] ?? '')?.[1];
  return total === undefined ? null : Number(total);
}

/** Only strong ETags may be demanded (RFC 9110, §13.1.1); weak ones and dates are compared in the answer. */
function ifMatch(version: string): Record<string, string> {
  return version.startsWith('"') ? { 'if-match': version } : {};
}

function refuseFailure({ status }: HttpAnswer, label: string): void {
  if (status < 300) return;
  const why =
    status === 404
      ? 'there is no such file (404)'
      : status === 401 || status === 403
        ? `access is denied (${status})`
        : status === 416
          ? 'the file is empty'
          : `the server answers ${status}`;
  throw new SkewflowError('InputError', `${label}: ${why}`);
}

function changed(label: string): SkewflowError {
  return new SkewflowError('InputError', `${label}: the file was replaced while it was read`);
}
