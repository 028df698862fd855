/** How a job file or object becomes a job: read, checked and completed with its defaults. */
import { basename, extname, resolve } from 'node:path';
import type { System } from '../kernels/system.ts';
import { parseBytes } from './bytes.ts';
import { digestOf } from './digest.ts';
import { type JobDocument, objectDocument } from './document.ts';
import { formOf } from './form.ts';
import { arraysOf, flowsOf, groupOf, scopeOf, timingOf, valuesOf } from './formulas.ts';
import { fieldsOf, type Openings, openInputs } from './inputs.ts';
import type { Job, Output } from './job.ts';
import { lossOf } from './loss.ts';
import { gradientOf, optimizeOf } from './names.ts';
import { applyToObject, parseOverride } from './override.ts';
import type { JobForm, JobObject } from './schema.ts';
import { defaultShards } from './shard-count.ts';
import { readJobFile } from './yaml-document.ts';

/** Where a job comes from. */
export type JobInput =
  | { readonly path: string; readonly sets?: readonly string[] | undefined }
  | {
      readonly object: JobObject;
      /** Where relative paths start; the current folder by default. */
      readonly folder?: string | undefined;
      readonly sets?: readonly string[] | undefined;
    };

/**
 * Reads, checks and completes a job. Its arrays are open and not read; `closeJob` closes them.
 *
 * @param input - a file or an object; `sets` are overrides such as `params.sigma=0.3`
 * @throws JobFileError, FormulaError, ShapeError, InputError, UsageError: whatever is wrong, before any work is done
 *
 * @example
 * const job = await loadJob({ path: 'job.yaml', sets: ['params.sigma=0.3'] });
 */
export async function loadJob(input: JobInput): Promise<Job> {
  const overrides = (input.sets ?? []).map(parseOverride);
  const document =
    'path' in input
      ? await readJobFile(input.path, overrides)
      : objectDocument(applyToObject(input.object, overrides), resolve(input.folder ?? '.'));
  return jobOf(document);
}

/** A job given as an object: what a job file says, with arrays in memory where the file has paths. */
export function jobFromObject(object: JobObject, folder?: string): Promise<Job> {
  return loadJob({ object, folder });
}

/** Closes the arrays of a job. */
export async function closeJob(job: Job): Promise<void> {
  await Promise.all([...job.arrays.values()].map((source) => source.close()));
}

/** The job in a document. */
export async function jobOf(document: JobDocument): Promise<Job> {
  const openings: Openings = new Set();
  try {
    return await built(document, openings);
  } catch (error) {
    await Promise.all([...openings].map((opening) => opening.close()));
    throw error;
  }
}

/** Bytes of stage states that a thread may hold for the backward sweep, when the job does not say. */
export const defaultMemoryBytes = 64 * 2 ** 20;

async function built(document: JobDocument, openings: Openings): Promise<Job> {
  const form = formOf(document);
  refuseEmpty(document, form);
  const output = outputOf(document, form);
  const timing = timingOf(document, form);
  const inputs = await openInputs(document, form, openings);
  const scope = scopeOf(document, form, inputs);
  const flow = flowsOf(document, form, scope);
  const loss = await lossOf(document, form, scope, timing, openings);
  const wanted = gradientOf(document, form, inputs, scope, { flow, terms: loss.terms });
  const optimize = optimizeOf(document, form, inputs, scope, { flow, terms: loss.terms });
  // What is optimised is differentiated, whether or not the user asks to see it.
  const gradient = [...new Set([...wanted, ...(optimize?.over ?? [])])];

  const { evolving } = scope;
  const system: System = {
    sources: inputs.sources && groupOf(inputs.sources, evolving),
    tracers: inputs.tracers && groupOf(inputs.tracers, evolving),
    sets: new Map([...inputs.sets].map(([name, set]) => [name, groupOf(set, evolving)])),
    pairs: fieldsOf(inputs.pairs),
    params: fieldsOf(inputs.params),
    flow,
    scheme: timing.scheme,
    from: timing.from,
    to: timing.to,
    moments: loss.moments,
    terms: loss.terms,
    values: valuesOf(document, form, scope),
    gradient,
  };
  const arrays = [...arraysOf(inputs), ...loss.arrays];
  const settings = {
    system,
    integrate: timing.integrate,
    optimize,
    shards: form.shards ?? defaultShards(inputs.tracers?.rows ?? 0, inputs.sources?.rows ?? 0),
    precision: form.precision ?? 'f32',
    memoryBytes: form.memory === undefined ? defaultMemoryBytes : parseBytes(form.memory),
  } as const;
  return Object.freeze({
    ...settings,
    name: form.name ?? nameOf(document),
    digest: digestOf(document, form, arrays, settings),
    arrays: new Map(arrays.map(({ name, source }) => [name, source])),
    output,
    source: Object.freeze({ path: document.path, folder: document.folder, text: document.text }),
  });
}

/** A file's stem. */
function nameOf({ path }: JobDocument): string {
  return path === null ? 'job' : basename(path, extname(path));
}

function refuseEmpty(document: JobDocument, form: JobForm): void {
  if (form.sources === undefined && form.tracers === undefined) {
    throw document.error([], {
      message: 'a job has `sources`, `tracers` or both: there is nothing to compute with',
    });
  }
  if (form.loss === undefined && form.values === undefined && form.output?.save === undefined) {
    throw document.error([], {
      message: 'the job asks for nothing: add a `loss`, `values`, or `output: { save: [final] }`',
    });
  }
}

function outputOf(document: JobDocument, { output = {} }: JobForm): Output {
  const { save = [], every = 1, format = 'npy' } = output;
  if (format === 'zarr') {
    throw document.error(['output', 'format'], {
      message: 'zarr is not written yet',
      hint: 'use `format: npy`',
    });
  }
  return { final: save.includes('final'), trajectory: save.includes('trajectory'), every, format };
}
