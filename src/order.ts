/**
 * How does a submitted job become a job again on another machine? Its document is read as it was written, and each array
 * from where the order says it lies: the storage root, or a folder that workers are allowed to read.
 */
import { realpath } from 'node:fs/promises';
import { isAbsolute, sep } from 'node:path';
import { codeOf, isCodeOfFailure, SkewflowError } from './errors.ts';
import type { RunOrder } from './exchange/register.ts';
import type { Job } from './job/job.ts';
import { closeJob, jobOf } from './job/load.ts';
import type { Override } from './job/override.ts';
import { type Path, pathText } from './job/path.ts';
import { slotsOf } from './job/slots.ts';
import { parseJobText } from './job/yaml-document.ts';
import { parseS3Url, type S3Settings } from './objects/s3-settings.ts';
import { isInputKey } from './storage/inputs.ts';
import type { Root } from './storage/root.ts';

/** What a submitted job may name, beside what lies in the storage root. */
export interface SubmittedReach {
  /** Folders and `s3://bucket/prefix` places whose files a job may name (`--root`); none by default. */
  readonly roots: readonly string[];
  /**
   * Hosts that its URLs may lie on (`--allow-host`): `host` or `host:port`, which may be private or plain http; `*` stands for
   * every public one, over https. None by default.
   */
  readonly allowHosts: readonly string[];
  /** The storage behind `s3://`. */
  readonly s3: S3Settings;
}

/** Where arrays of submitted jobs may be read from. */
export interface OrderReach extends SubmittedReach {
  readonly root: Root;
}

/** What of an order says how its job is read. */
export type OrderedJob = Pick<RunOrder, 'document' | 'files' | 'jobDigest' | 'name'>;

/**
 * Read the job of an order. Its arrays are open and not read; `closeJob` closes them.
 *
 * @throws InputError (`INPUT_FORBIDDEN`) for a path that is in neither place, (`INPUT_CHANGED`) when the job is not the one that
 * was submitted, because an input differs; what `loadJob` throws
 */
export async function jobOfOrder(order: OrderedJob, reach: OrderReach): Promise<Job> {
  const job = await readOrdered(order, reach);
  if (job.digest === order.jobDigest) return job;
  await closeJob(job);
  throw inputError(
    'INPUT_CHANGED',
    `an input of \`${order.name}\` is not what it was when the job was submitted: submit it again`,
  );
}

/** As `jobOfOrder`, whatever the digest is. */
export async function readOrdered(order: Omit<OrderedJob, 'jobDigest'>, reach: OrderReach): Promise<Job> {
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
  const job = await jobOf(parseJobText(order.document, path, overrides), {
    allowHosts: reach.allowHosts.filter((host) => host !== anyPublicHost),
    publicHosts: reach.allowHosts.includes(anyPublicHost),
    s3: reach.s3,
  });
  const source = Object.freeze({ ...job.source, path: null, text: order.document });
  return Object.freeze({ ...job, name: order.name, source });
}

/** An absolute path with the name of the array in it (`#name`), or a URL as it stands. */
async function placeOf(text: string, at: string, reach: OrderReach): Promise<string> {
  const { root, roots } = reach;
  const scheme = /^(https?|s3):\/\//iu.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    if (scheme === 's3') refuseBucket(text, at, roots);
    else refuseHost(text, at, reach);
    return text;
  }
  const hash = text.lastIndexOf('#');
  const [path, name] = hash < 0 ? [text, ''] : [text.slice(0, hash), text.slice(hash)];
  if (isInputKey(path)) {
    // A folder over a network may be seen late, and who submits the job again brings it: the run waits for either.
    if (!(await root.has(path))) {
      const why = `${at}: ${path} is not in ${root.url}: if it stays away, submit the job again`;
      throw new SkewflowError('OutOfReachError', why, { code: 'INPUT_MISSING' });
    }
    return `${await root.place(path)}${name}`;
  }
  return `${await allowedPath(path, at, roots)}${name}`;
}

/** Stands for every public host among those that are allowed. */
export const anyPublicHost = '*';

/** Where a URL leads from there is refused by who reads it. */
function refuseHost(text: string, at: string, { allowHosts }: OrderReach): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  const allowed = [url?.host, url?.hostname, anyPublicHost];
  if (allowHosts.some((host) => allowed.includes(host.toLowerCase()))) return;
  throw inputError(
    'INPUT_FORBIDDEN',
    `${at}: a submitted job reads URLs only from hosts that coordinators and workers allow: start them with \`--allow-host ${url?.host ?? 'HOST'}\``,
  );
}

/** A bucket is read with the operator's keys, which are not for every job to use everywhere. */
function refuseBucket(text: string, at: string, roots: readonly string[]): void {
  const place = parseS3Url(text.replace(/#.*$/u, ''));
  const below = roots.some((root) => {
    const allowed = parseS3Url(root);
    if (allowed === null || place === null || allowed.bucket !== place.bucket) return false;
    return allowed.prefix === '' || `${place.prefix}/`.startsWith(`${allowed.prefix}/`);
  });
  if (below) return;
  throw inputError(
    'INPUT_FORBIDDEN',
    `${at}: a submitted job reads buckets only below places that coordinators and workers allow: start them with \`--root s3://bucket/prefix\``,
  );
}

/** The file itself, links followed: inside one of the roots, or refused. */
export async function allowedPath(path: string, at: string, roots: readonly string[]): Promise<string> {
  const refuse = (why: string): never => {
    throw inputError('INPUT_FORBIDDEN', `${at}: ${path} ${why}`);
  };
  if (!isAbsolute(path)) return refuse('is a relative path, which means nothing on another machine');
  const real = await realpath(path).catch((cause: unknown) => {
    if (isCodeOfFailure(codeOf(cause)))
      throw new SkewflowError('OutOfReachError', `${at}: ${String(cause)}`, { path }, { cause });
    return null;
  });
  for (const root of roots) {
    const folder = await realpath(root).catch(() => null);
    if (real !== null && folder !== null && liesBelow(real, folder)) return real;
    if (real === null && liesBelow(path, root))
      throw inputError('INPUT_MISSING', `${at}: ${path} is not there`);
  }
  return refuse('lies below none of the folders that may be read here (`--root`)');
}

function inputError(code: string, message: string): SkewflowError {
  return new SkewflowError('InputError', `${code}: ${message}`, { code });
}

/** Whether a path lies below a folder, both absolute. */
export function liesBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
