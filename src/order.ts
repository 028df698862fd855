/**
 * How does a submitted job become a job again on another machine? Its document is read as it was written, and each array
 * from where the order says it lies: the storage root, or a folder that workers are allowed to read.
 */
import { realpath } from 'node:fs/promises';
import { isAbsolute, sep } from 'node:path';
import { SkewflowError } from './errors.ts';
import type { RunOrder } from './exchange/register.ts';
import type { Job } from './job/job.ts';
import { closeJob, jobOf } from './job/load.ts';
import type { Override } from './job/override.ts';
import { type Path, pathText } from './job/path.ts';
import { slotsOf } from './job/slots.ts';
import { parseJobText } from './job/yaml-document.ts';
import { isInputKey } from './storage/inputs.ts';
import type { Root } from './storage/root.ts';

/** Where arrays of submitted jobs may be read from. */
export interface Reach {
  readonly root: Root;
  /** Folders (`--root`) whose files a job may name; none by default. */
  readonly roots: readonly string[];
}

/** What of an order says how its job is read. */
export type OrderedJob = Pick<RunOrder, 'document' | 'files' | 'jobDigest' | 'name'>;

/**
 * Read the job of an order. Its arrays are open and not read; `closeJob` closes them.
 *
 * @throws InputError (`INPUT_FORBIDDEN`) for a path that is in neither place, (`INPUT_CHANGED`) when the job is not the one that
 * was submitted, because an input differs; what `loadJob` throws
 */
export async function jobOfOrder(order: OrderedJob, reach: Reach): Promise<Job> {
  const job = await readOrdered(order, reach);
  if (job.digest === order.jobDigest) return job;
  await closeJob(job);
  throw inputError(
    'INPUT_CHANGED',
    `an input of \`${order.name}\` is not what it was when the job was submitted: submit it again`,
  );
}

/** As `jobOfOrder`, whatever the digest is. */
export async function readOrdered(order: Omit<OrderedJob, 'jobDigest'>, reach: Reach): Promise<Job> {
  const path = `${order.name}.yaml`;
  const { value } = parseJobText(order.document, path, []);
  const overrides: Override[] = [];
  // From the end, as an alias comes after its anchor.
  for (const slot of slotsOf(value).toReversed()) {
    if (typeof slot.value !== 'string') continue;
    const at = pathText(slot.path);
    const place = await placeOf(order.files?.[at] ?? slot.value, at, reach);
    overrides.push({ text: `${at}=${place}`, path: slot.path.map(String) as Path, value: place });
  }
  const job = await jobOf(parseJobText(order.document, path, overrides));
  const source = Object.freeze({ ...job.source, path: null, text: order.document });
  return Object.freeze({ ...job, name: order.name, source });
}

/** An absolute path with the name of the array in it (`#name`), or a URL as it stands. */
async function placeOf(text: string, at: string, { root, roots }: Reach): Promise<string> {
  if (/^(https|s3):\/\//iu.test(text)) return text;
  const hash = text.lastIndexOf('#');
  const [path, name] = hash < 0 ? [text, ''] : [text.slice(0, hash), text.slice(hash)];
  if (isInputKey(path)) {
    if (!(await root.has(path)))
      throw inputError('INPUT_CORRUPT', `${at}: ${path} is not in ${root.url}: submit the job again`);
    return `${await root.file(path)}${name}`;
  }
  return `${await allowedPath(path, at, roots)}${name}`;
}

/** The file itself, links followed: inside one of the roots, or refused. */
export async function allowedPath(path: string, at: string, roots: readonly string[]): Promise<string> {
  const refuse = (why: string): never => {
    throw inputError('INPUT_FORBIDDEN', `${at}: ${path} ${why}`);
  };
  if (!isAbsolute(path)) return refuse('is a relative path, which means nothing on another machine');
  const real = await realpath(path).catch(() => null);
  for (const root of roots) {
    const folder = await realpath(root).catch(() => null);
    if (real !== null && folder !== null && real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
      return real;
  }
  return refuse('lies below none of the folders that may be read here (`--root`)');
}

function inputError(code: string, message: string): SkewflowError {
  return new SkewflowError('InputError', `${code}: ${message}`, { code });
}
