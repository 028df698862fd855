/** Which arrays a job reads: opened, given rows and components, and in agreement with each other. */
import { type ArraySpec, type Opened, openArray } from '../arrays/open.ts';
import type { Reach } from '../arrays/reach.ts';
import { asPairs, asRows, asVector, generatedRows } from '../arrays/rows.ts';
import type { ArraySource } from '../arrays/source.ts';
import { isSkewflowError, SkewflowError } from '../errors.ts';
import type { Problem } from '../kernels/formula/diagnostics.ts';
import { limits } from '../kernels/formula/limits.ts';
import type { Rows } from '../kernels/formula/scope.ts';
import type { Field } from '../kernels/system.ts';
import type { JobDocument } from './document.ts';
import type { Path } from './path.ts';
import type { JobForm } from './schema.ts';

/** An array of the job by name, and where the job names it. */
export interface NamedArray {
  readonly name: string;
  readonly path: Path;
  readonly source: ArraySource;
}

/** Fields of one kind of rows. */
export interface GroupInput extends Rows {
  readonly arrays: readonly NamedArray[];
}

export interface JobInputs {
  readonly sources: GroupInput | null;
  readonly tracers: GroupInput | null;
  readonly sets: ReadonlyMap<string, GroupInput>;
  readonly pairs: readonly NamedArray[];
  readonly params: readonly NamedArray[];
}

/** Where arrays may lie, and which of them are open, so that a refused job leaves no file open. */
export interface Openings {
  readonly reach: Reach;
  readonly opened: Set<{ readonly close: () => Promise<void> }>;
}

/**
 * Opens the arrays of `sources`, `tracers`, `sets`, `pairs` and `params`.
 *
 * @param openings - receives everything that must be closed
 * @throws InputError, ShapeError or JobFileError, shown at the value
 */
export async function openInputs(
  document: JobDocument,
  form: JobForm,
  openings: Openings,
): Promise<JobInputs> {
  const sets = Object.entries(form.sets ?? {});
  const [sources, tracers, pairs, params, ...setGroups] = await allOf([
    openGroup(document, ['sources'], form.sources, openings),
    openGroup(document, ['tracers'], form.tracers, openings),
    openAll(document, ['pairs'], form.pairs, openings),
    openAll(document, ['params'], form.params, openings),
    ...sets.map(([name, group]) => openGroup(document, ['sets', name], group, openings)),
  ]);
  const [firstPair] = pairs;
  if (sources === null && firstPair !== undefined) {
    throw document.error(
      firstPair.path,
      { message: 'pairs are weights between sources, and the job has none' },
      'key',
    );
  }
  return {
    sources,
    tracers,
    sets: new Map(sets.map(([name], n) => [name, setGroups[n]!])),
    pairs: pairs.map((entry) => completed(document, entry, (opened) => pairSource(opened, sources!.rows))),
    params: params.map((entry) => completed(document, entry, vectorSource)),
  };
}

/** The named arrays of a job's groups, in the order of the file. */
export function fieldsOf(arrays: readonly NamedArray[]): readonly Field[] {
  return arrays.map(({ name, source }) => ({ name, width: source.width }));
}

// --- opening ----------------------------------------------------------------------------------------------

interface Entry {
  readonly name: string;
  readonly path: Path;
  readonly opened: Opened;
  readonly isNumber: boolean;
}

async function openAll(
  document: JobDocument,
  section: Path,
  values: Readonly<Record<string, unknown>> | undefined,
  openings: Openings,
): Promise<readonly Entry[]> {
  return allOf(
    Object.entries(values ?? {}).map(([name, value]) =>
      openOne(document, [...section, name], name, value as ArraySpec, openings),
    ),
  );
}

/**
 * Like `Promise.all`, but all are awaited even when one fails, so that every file that was opened is known; of several
 * failures the first in the order of the job is reported.
 */
async function allOf<T extends readonly unknown[]>(
  promises: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  const results = await Promise.allSettled(promises as readonly Promise<unknown>[]);
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  }) as unknown as T;
}

/** Opens one value; a mistake in it is shown where it stands in the job. */
export async function openOne(
  document: JobDocument,
  path: Path,
  name: string,
  value: ArraySpec,
  openings: Openings,
): Promise<Entry> {
  try {
    const opened = await openArray(value, name, document.folder, openings.reach);
    if (opened.kind === 'array') openings.opened.add(opened.array);
    return { name, path, opened, isNumber: typeof value === 'number' };
  } catch (error) {
    throw shownAt(document, path, error);
  }
}

/** An error about a value, shown where the value stands in the job. */
function shownAt(document: JobDocument, path: Path, error: unknown): unknown {
  if (!isSkewflowError(error)) return error;
  const shown = document.error(path, { message: error.message });
  return new SkewflowError(
    error.tag,
    shown.message,
    { ...shown.details, ...error.details },
    { cause: error },
  );
}

function completed(
  document: JobDocument,
  entry: Entry,
  complete: (opened: Entry) => ArraySource,
): NamedArray {
  try {
    const source = complete(entry);
    refuseSize(entry.name, source);
    return { name: entry.name, path: entry.path, source };
  } catch (error) {
    throw shownAt(document, entry.path, error);
  }
}

function refuseSize(name: string, source: ArraySource): void {
  const { label, rows, width } = source;
  if (rows === 0) throw shapeError(`\`${name}\` has no rows: ${label} is empty`);
  if (width === 0) throw shapeError(`\`${name}\` has no components: ${label} is empty`);
  if (width > limits.width) {
    throw shapeError(`\`${name}\` has ${width} components, more than ${limits.width}: ${label}`);
  }
}

function shapeError(message: string): SkewflowError {
  return new SkewflowError('ShapeError', message);
}

// --- rows -------------------------------------------------------------------------------------------------

async function openGroup(
  document: JobDocument,
  section: Path,
  group: Readonly<Record<string, unknown>> | undefined,
  openings: Openings,
): Promise<GroupInput | null> {
  if (group === undefined) return null;
  const { rows: stated, ...values } = group;
  const entries = await openAll(document, section, values, openings);
  const what = section.length === 1 ? `\`${section[0]}\`` : `the set \`${section[1]}\``;
  if (entries.length === 0) throw document.error(section, { message: `${what} has no fields` }, 'key');

  const known = entries
    .map((entry) => ({ entry, rows: rowsOf(document, entry) }))
    .filter(({ rows }) => rows !== null);
  const first = known[0];
  const rows = stated === undefined ? first?.rows : (stated as number);
  if (rows === undefined || rows === null) {
    throw document.error(
      section,
      { message: `nothing says how many rows ${what} has`, hint: 'add `rows: 1000`' },
      'key',
    );
  }
  for (const { entry, rows: own } of known) {
    if (own === rows) continue;
    const other = stated === undefined ? `\`${first!.entry.name}\` has ${rows}` : `\`rows\` says ${rows}`;
    throw retagged(
      document.error(entry.path, {
        message: `rows disagree in ${what}: \`${entry.name}\` has ${own}, ${other}`,
      }),
    );
  }
  const arrays = entries.map((entry) =>
    completed(document, entry, ({ opened }) =>
      opened.kind === 'array' ? asRows(opened.array) : generatedRows(opened.generated, rows),
    ),
  );
  return { rows, arrays, fields: fieldsOf(arrays) };
}

/** How many rows a value says it has; null: as many as are wanted. */
function rowsOf(document: JobDocument, entry: Entry): number | null {
  const { opened } = entry;
  if (opened.kind === 'generated') return opened.generated.rows;
  return completed(document, entry, () => asRows(opened.array)).source.rows;
}

function pairSource({ opened }: Entry, sources: number): ArraySource {
  if (opened.kind === 'array') return asPairs(opened.array, sources);
  const { generated } = opened;
  const rows = sources * sources;
  if (generated.rows !== null && generated.rows !== rows) {
    throw shapeError(
      `${generated.label}: ${sources} sources have ${rows} pairs, the grid has ${generated.rows} points`,
    );
  }
  return generatedRows(
    generated,
    rows,
    generated.width === 1 ? [sources, sources] : [sources, sources, generated.width],
  );
}

function vectorSource({ opened, isNumber }: Entry): ArraySource {
  if (opened.kind === 'array') return asVector(opened.array);
  const { generated } = opened;
  if (generated.label === 'grid' || generated.label === 'linspace') {
    throw shapeError(`a parameter is one vector, and ${generated.label} makes rows: write the numbers`);
  }
  return generatedRows(generated, 1, isNumber ? [] : [generated.width]);
}

function retagged(error: SkewflowError): SkewflowError {
  return new SkewflowError('ShapeError', error.message, error.details);
}

/** The error for a shape, shown where the array stands in the job. */
export function shapeErrorAt(document: JobDocument, path: Path, problem: Problem): SkewflowError {
  return retagged(document.error(path, problem));
}
