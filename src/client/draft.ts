/**
 * How does a job get ready to travel? Checked completely here, as `run` would; its arrays packed with it, copied to the
 * storage root, or left where workers may read them; and read back from there once, so that what is sent is what was checked.
 */
import { mkdtemp, readFile, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { npyBytes } from '../arrays/npy-writer.ts';
import { SkewflowError } from '../errors.ts';
import {
  type BatchId,
  documentBytesMax,
  inputsBytesMax,
  type RunOrder,
  runIdOf,
  textOfChanges,
} from '../exchange/register.ts';
import { admissionOf, defaultAdmission, refuseBeyond } from '../job/admission.ts';
import type { Job } from '../job/job.ts';
import { closeJob, loadJob } from '../job/load.ts';
import { applyToObject, parseOverride } from '../job/override.ts';
import { pathText } from '../job/path.ts';
import type { JobObject } from '../job/schema.ts';
import { slotsOf } from '../job/slots.ts';
import { parseJobText } from '../job/yaml-document.ts';
import type { S3Settings } from '../objects/s3-settings.ts';
import { anyPublicHost, liesBelow, readOrdered, type SubmittedReach } from '../order.ts';
import { prepare } from '../prepare.ts';
import { protocolVersion } from '../protocol.ts';
import { refuseWithoutRoomIn } from '../room-for-results.ts';
import { inputExtension, inputKey, packInputs, uploadInput } from '../storage/inputs.ts';
import { openRoot, type Root } from '../storage/root.ts';

/** What a run is wanted with. Nothing here reaches the numbers, except `set`. */
export interface DraftOptions {
  readonly set: readonly string[];
  readonly key: string;
  readonly batch: BatchId | null;
  readonly priority: number;
  /** null: from 1 to half as many as there are shards. */
  readonly seats: { readonly min: number; readonly max: number } | null;
  readonly engine: RunOrder['engine'];
  readonly allowMixed: boolean;
  /** Folders that workers read, too: files below them stay where they are. */
  readonly roots: readonly string[];
  /** Hosts its inputs may lie on although they are private or plain http. */
  readonly allowHosts: readonly string[];
  /** The storage behind `s3://`. */
  readonly s3: S3Settings;
  /** Where larger files are copied; null: nowhere. */
  readonly root: Root | null;
}

/** A job that is ready to be sent. */
export interface Draft {
  readonly order: RunOrder;
  /** Arrays that go with it; null: none do. */
  readonly inputs: Uint8Array | null;
}

/**
 * Make a job ready.
 *
 * @throws whatever is wrong with the job, as `run` does; InputError with size and remedy for an array that cannot travel
 */
export async function draft(what: JobObject | string, options: DraftOptions): Promise<Draft> {
  const { allowHosts, s3 } = options;
  const job = await loadJob({
    ...(typeof what === 'string' ? { path: what } : { object: what }),
    sets: options.set,
    reach: { allowHosts, publicHosts: true, s3 },
  });
  try {
    const { grid, shards } = await prepare(job);
    const admission = admissionOf(job, grid.times.length - 1);
    refuseBeyond(admission, defaultAdmission);
    const written =
      typeof what === 'string' ? { document: job.source.text, memory: none } : writtenDown(what, options.set);
    refuseLong(written.document);
    const packed = await pack(written, job, options);
    const jobDigest = await digestThere(packed, written.document, job.name, options);
    const run = runIdOf(jobDigest, options.key);
    if (options.root !== null) await refuseWithoutRoomIn(options.root, run, admission.resultBytes);
    const order: RunOrder = {
      protocolVersion,
      run,
      jobDigest,
      name: job.name,
      key: options.key,
      batch: options.batch,
      priority: options.priority,
      seats: options.seats ?? { min: 1, max: Math.max(1, Math.floor(shards.length / 2)) },
      engine: options.engine,
      allowMixed: options.allowMixed,
      document: written.document,
      folder: { set: textOfChanges(options.set) },
      files: Object.fromEntries(packed.files),
      submittedAt: Date.now(),
    };
    return { order, inputs: packed.inputs.size === 0 ? null : packInputs(packed.inputs) };
  } finally {
    await closeJob(job);
  }
}

function refuseLong(document: string): void {
  const bytes = Buffer.byteLength(document);
  if (bytes <= documentBytesMax) return;
  throw new SkewflowError(
    'JobFileError',
    `a submitted job has at most ${documentBytesMax} bytes of text, this one ${bytes}: keep numbers in array files`,
    { bytes, bytesMax: documentBytesMax },
  );
}

// --- the document -----------------------------------------------------------------------------------------

/** The text of a job, and arrays that were given in memory by their place in it. */
interface Written {
  readonly document: string;
  readonly memory: ReadonlyMap<string, Uint8Array>;
}

const none: ReadonlyMap<string, Uint8Array> = new Map();

/** An object as a document: an array in memory becomes a file that travels. */
function writtenDown(object: JobObject, sets: readonly string[]): Written {
  const value = applyToObject(object, sets.map(parseOverride));
  const memory = new Map<string, Uint8Array>();
  const replaced = new Map<unknown, string>();
  for (const slot of slotsOf(value)) {
    const bytes = npyOf(slot.value);
    if (bytes === null) continue;
    const at = pathText(slot.path);
    memory.set(at, bytes);
    replaced.set(slot.value, `${slot.path.at(-1)}.npy`);
  }
  const document = JSON.stringify(value, (_key, item: unknown) => replaced.get(item) ?? item, 2);
  return { document: `${document}\n`, memory };
}

/** The bytes of an array in memory; null: it is none, and stays in the document. */
function npyOf(value: unknown): Uint8Array | null {
  if (typeof value !== 'object' || value === null) return null;
  const shaped = 'shape' in value && 'data' in value ? value : null;
  const data = shaped === null ? value : shaped.data;
  if (!ArrayBuffer.isView(data) && shaped === null) return null;
  const numbers = data instanceof Float32Array ? data : Float64Array.from(data as ArrayLike<number>);
  const shape = shaped === null ? [numbers.length] : (shaped.shape as readonly number[]);
  return npyBytes(numbers instanceof Float32Array ? 'f4' : 'f8', shape, numbers);
}

// --- the arrays -------------------------------------------------------------------------------------------

interface Packed {
  /** Place in the document ↦ where the array lies. */
  readonly files: ReadonlyMap<string, string>;
  /** Key ↦ bytes of what goes with the job. */
  readonly inputs: ReadonlyMap<string, Uint8Array>;
}

/** A local array that has to travel. */
interface Local {
  readonly at: string;
  readonly path: string;
  /** `#name` of an array in an archive, or nothing. */
  readonly name: string;
  readonly bytes: number;
}

async function pack({ document, memory }: Written, job: Job, options: DraftOptions): Promise<Packed> {
  const files = new Map<string, string>();
  const inputs = new Map<string, Uint8Array>();
  const locals: Local[] = [];
  for (const { path: steps, value } of slotsOf(parseJobText(document, `${job.name}.yaml`, []).value)) {
    const at = pathText(steps);
    const held = memory.get(at);
    if (held !== undefined) {
      const key = inputKey(held, '.npy');
      inputs.set(key, held);
      files.set(at, key);
    } else if (typeof value === 'string' && !isUrl(value)) {
      const hash = value.lastIndexOf('#');
      const [path, name] = hash < 0 ? [value, ''] : [value.slice(0, hash), value.slice(hash)];
      const real = await realpath(resolve(job.source.folder, path));
      const below = await isBelow(real, options.roots);
      if (below) files.set(at, `${real}${name}`);
      else locals.push({ at, path: real, name, bytes: (await stat(real)).size });
    }
  }
  const held = [...inputs.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  const total = new Map(locals.map(({ path, bytes }) => [path, bytes]));
  const inline = [...total.values()].reduce((sum, bytes) => sum + bytes, held) <= inlineBytesMax;
  for (const local of locals) {
    const extension = inputExtension(local.path);
    if (extension === null) throw cannotTravel(local, 'it is a folder');
    if (inline) {
      const bytes = await readFile(local.path);
      const key = inputKey(bytes, extension);
      inputs.set(key, bytes);
      files.set(local.at, `${key}${local.name}`);
    } else if (options.root === null) {
      throw cannotTravel(largest(locals), `the job's files have more than ${inlineBytesMax} bytes in all`);
    } else {
      files.set(local.at, `${await uploadInput(options.root, local.path, extension)}${local.name}`);
    }
  }
  if (held > inlineBytesMax && options.root === null) throw tooMuchInMemory(held);
  if (!inline && options.root !== null) {
    for (const [key, bytes] of inputs)
      if (!(await options.root.has(key))) await options.root.write(key, bytes);
    inputs.clear();
  }
  return { files, inputs };
}

/** The message has a heading, too: the room that `inputsBytesMax` leaves. */
const inlineBytesMax = inputsBytesMax - 32 * 1024;

function isUrl(value: unknown): boolean {
  return typeof value === 'string' && /^(https?|s3):\/\//iu.test(value);
}

async function isBelow(path: string, roots: readonly string[]): Promise<boolean> {
  for (const root of roots) {
    const folder = await realpath(root).catch(() => null);
    if (folder !== null && liesBelow(path, folder)) return true;
  }
  return false;
}

function largest(locals: readonly Local[]): Local {
  return locals.reduce((a, b) => (b.bytes > a.bytes ? b : a));
}

function cannotTravel({ at, path, bytes }: Local, why: string): SkewflowError {
  return new SkewflowError(
    'InputError',
    `${at}: ${path} (${bytes} bytes) does not travel with the job: ${why}. Give \`--storage\` a root that the workers share, and it is copied there; or put it below a folder that the workers read, and name that with \`--root\``,
    { path, bytes },
  );
}

function tooMuchInMemory(bytes: number): SkewflowError {
  return new SkewflowError(
    'InputError',
    `the job's arrays have ${bytes} bytes, and ${inlineBytesMax} travel with a job: give a storage root that the workers share`,
    { bytes, bytesMax: inlineBytesMax },
  );
}

// --- read back --------------------------------------------------------------------------------------------

/** The digest of the job as a worker will read it; whether it may read all of it is for the worker to say. */
async function digestThere(
  packed: Packed,
  document: string,
  name: string,
  options: DraftOptions,
): Promise<string> {
  const { root, s3 } = options;
  const slots = slotsOf(parseJobText(document, `${name}.yaml`, []).value);
  const buckets = slots.flatMap(({ value }) => (isUrl(value) ? [String(value).replace(/#.*$/u, '')] : []));
  const reach: SubmittedReach = {
    roots: [...options.roots, ...buckets],
    allowHosts: [anyPublicHost, ...options.allowHosts],
    s3,
  };
  if (packed.inputs.size === 0 && root !== null) return digestIn(root, packed, document, name, reach);
  const folder = await mkdtemp(join(tmpdir(), 'skewflow-submit-'));
  try {
    const there = await openRoot(folder);
    for (const [key, bytes] of packed.inputs) await there.write(key, bytes);
    return await digestIn(there, packed, document, name, reach);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function digestIn(
  root: Root,
  { files }: Packed,
  document: string,
  name: string,
  reach: SubmittedReach,
): Promise<string> {
  const job = await readOrdered({ document, name, files: Object.fromEntries(files) }, { root, ...reach });
  await closeJob(job);
  return job.digest;
}
