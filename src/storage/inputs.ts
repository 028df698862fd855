/**
 * How do arrays travel with a job? By content: a small one in the message, a large one copied into the root, and both end
 * under the name of their SHA-256, where every worker finds them and a second job that has them too finds them there.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { constants, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { z } from 'zod';
import { syncFolder } from '../arrays/whole-file.ts';
import { SkewflowError } from '../errors.ts';
import type { Root } from './root.ts';

/** Kinds of files that are one file. */
const extensions = ['.npy', '.npz', '.csv'] as const;
const key = /^inputs\/[0-9a-f]{64}\.(npy|npz|csv)$/;

/** Whether this is the key of an input in the root. */
export function isInputKey(text: string): boolean {
  return key.test(text);
}

/** The extension an input keeps; null: it is no single file (a zarr group). */
export function inputExtension(path: string): string | null {
  const extension = extname(path).toLowerCase();
  return extensions.find((known) => known === extension) ?? null;
}

/** The key of these bytes. */
export function inputKey(bytes: Uint8Array, extension: string): string {
  return `inputs/${sha256(bytes)}${extension}`;
}

// --- in a message -----------------------------------------------------------------------------------------

/** length of the heading (u32, little-endian) · heading: names and lengths as JSON · the bytes, one after the other */
const Heading = z
  .array(z.strictObject({ key: z.string().regex(key), bytes: z.int().nonnegative() }))
  .max(4096);
const headingBytesMax = 2 ** 20;

/** Small inputs as one message. */
export function packInputs(inputs: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const heading = Buffer.from(
    JSON.stringify([...inputs].map(([name, bytes]) => ({ key: name, bytes: bytes.length }))),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(heading.length);
  return Buffer.concat([length, heading, ...inputs.values()]);
}

/**
 * The inputs of a message, each checked against its name.
 *
 * @throws InputError (`INPUT_CORRUPT`) for anything but what `packInputs` made
 */
export function unpackInputs(message: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const length = bytes.length < 4 ? Number.NaN : bytes.readUInt32LE(0);
  if (!(length <= headingBytesMax && 4 + length <= bytes.length)) throw corrupt('it has no heading');
  const heading = Heading.safeParse(parsed(bytes.toString('utf8', 4, 4 + length)));
  if (!heading.success) throw corrupt('its heading is not one');
  const inputs = new Map<string, Uint8Array>();
  let at = 4 + length;
  for (const { key: name, bytes: count } of heading.data) {
    const content = bytes.subarray(at, at + count);
    if (content.length !== count || !name.startsWith(`inputs/${sha256(content)}`))
      throw corrupt(`${name} is damaged`);
    inputs.set(name, content);
    at += count;
  }
  if (at !== bytes.length) throw corrupt('it is longer than it says');
  return inputs;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function corrupt(why: string): SkewflowError {
  return new SkewflowError(
    'InputError',
    `INPUT_CORRUPT: the inputs sent with the job: ${why}: submit it again`,
    {
      code: 'INPUT_CORRUPT',
    },
  );
}

// --- in the root ------------------------------------------------------------------------------------------

const copyBytes = 2 ** 22;

/**
 * Copy a local file into the root, unless it is there. A copy that was broken off is taken up where it stopped; several that go
 * on at once help one another: they write the same bytes to the same places.
 *
 * The copy has the modification time of the file, by which large files are identified.
 *
 * @returns its key
 * @throws OutOfReachError when it cannot be written, InputError when the file changes meanwhile
 */
export async function uploadInput(
  root: Root,
  path: string,
  extension: string,
  onBytes: (count: number) => void = () => {},
): Promise<string> {
  const digest = await fileDigest(path);
  const target = `inputs/${digest}${extension}`;
  if (await root.has(target)) return target;
  const file = await root.file(target);
  const partial = `${file}.partial`;
  try {
    await copyRest(path, partial, onBytes);
    if ((await fileDigest(partial)) === digest) return await complete(path, partial, file, target);
  } catch (cause) {
    // Whoever copied it as well was faster.
    if (await root.has(target)) return target;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SkewflowError(
      'OutOfReachError',
      `${path}: not copied to ${root.url}: ${why}`,
      { path },
      { cause },
    );
  }
  await rm(partial, { force: true });
  throw new SkewflowError(
    'InputError',
    `${path}: it changed while it was copied to ${root.url}: submit again`,
    {
      code: 'INPUT_CHANGED',
    },
  );
}

async function complete(path: string, partial: string, file: string, target: string): Promise<string> {
  const { atime, mtime } = await stat(path);
  await utimes(partial, atime, mtime);
  await rename(partial, file);
  await syncFolder(dirname(file));
  return target;
}

async function copyRest(from: string, to: string, onBytes: (count: number) => void): Promise<void> {
  const source = await open(from, 'r');
  const target = await open(to, constants.O_RDWR | constants.O_CREAT);
  try {
    const buffer = Buffer.alloc(copyBytes);
    for (;;) {
      // Another copy may have come further meanwhile.
      const at = (await target.stat()).size;
      const { bytesRead } = await source.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      await target.write(buffer, 0, bytesRead, at);
      onBytes(bytesRead);
    }
    await target.sync();
  } finally {
    await source.close();
    await target.close();
  }
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path, { highWaterMark: copyBytes })) hash.update(part as Buffer);
  return hash.digest('hex');
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
