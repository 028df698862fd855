/** What the loss of a job is: its terms, when each is evaluated and which arrays it has of its own. */
import type { ArraySpec } from '../arrays/open.ts';
import { asRows, asSlices, generatedRows } from '../arrays/rows.ts';
import { type ArraySource, shapeText } from '../arrays/source.ts';
import { isSkewflowError, type SkewflowError } from '../errors.ts';
import { type CheckedLoss, checkLoss, type Scope, type WithField } from '../kernels/formula/index.ts';
import type { LossTerm, TermTimes } from '../kernels/system.ts';
import type { JobDocument } from './document.ts';
import { pointed, type Timing } from './formulas.ts';
import { type NamedArray, type Openings, openOne, shapeErrorAt } from './inputs.ts';
import type { Path } from './path.ts';
import type { JobForm, TermAt, TermForm } from './schema.ts';

export interface Loss {
  readonly terms: readonly LossTerm[];
  /** Labels that fields are read at, and the times they stand for. */
  readonly moments: ReadonlyMap<string, number>;
  /** The arrays of the terms. */
  readonly arrays: readonly NamedArray[];
}

/**
 * The terms of the loss.
 *
 * @throws FormulaError; JobFileError for a time outside the interval; ShapeError for an array that fits neither rows nor times
 */
export async function lossOf(
  document: JobDocument,
  form: JobForm,
  scope: Scope,
  timing: Timing,
  openings: Openings,
): Promise<Loss> {
  const { loss } = form;
  const asked: readonly Asked[] =
    loss === undefined
      ? []
      : Array.isArray(loss)
        ? loss.map((term, n) => askedTerm(document, ['loss', n], term))
        : [{ path: ['loss'], formula: ['loss'], at: { kind: 'at', at: 'end' }, with: {} }];

  const terms: LossTerm[] = [];
  const arrays: NamedArray[] = [];
  const moments = new Map<string, number>();
  for (const ask of asked) {
    const at = timesOf(document, ask, timing);
    const own = await withArrays(document, ask, at, scope, timing, openings);
    const taken = own.find(({ name }) => arrays.some((other) => other.name === name));
    if (taken !== undefined) {
      throw document.error(
        taken.path,
        { message: `\`${taken.name}\` is the array of another term too: choose another name` },
        'key',
      );
    }
    const { checked, fields } = checkedTerm(document, ask, scope, own);
    for (const label of checked.moments) moments.set(label, momentOf(document, ask, label, timing));
    arrays.push(...own);
    terms.push({
      text: document.formula(ask.formula).text,
      at,
      value: checked.value,
      sums: checked.sums,
      with: fields,
    });
  }
  return { terms, moments, arrays };
}

// --- what was asked ---------------------------------------------------------------------------------------

interface Asked {
  readonly path: Path;
  readonly formula: Path;
  readonly at: { readonly kind: 'at'; readonly at: TermAt } | { readonly kind: 'integral' };
  readonly with: Readonly<Record<string, unknown>>;
}

function askedTerm(document: JobDocument, path: Path, term: TermForm): Asked {
  const { at = 'end', value, integral, with: arrays = {} } = term;
  if ((value === undefined) === (integral === undefined)) {
    const which = value === undefined ? 'one of' : 'only one of';
    throw document.error(path, { message: `a term of the loss has ${which} \`value\` and \`integral\`` });
  }
  if (integral === undefined)
    return { path, formula: [...path, 'value'], at: { kind: 'at', at }, with: arrays };
  if (term.at !== undefined) {
    throw document.error(
      [...path, 'at'],
      { message: 'an integral runs from start to end: `at` belongs to a `value`' },
      'key',
    );
  }
  return { path, formula: [...path, 'integral'], at: { kind: 'integral' }, with: arrays };
}

// --- times ------------------------------------------------------------------------------------------------

function timesOf(document: JobDocument, ask: Asked, timing: Timing): TermTimes {
  const { integrate, from, to } = timing;
  if (ask.at.kind === 'integral') {
    if (integrate === null)
      throw document.error(ask.path, {
        message: 'an integral needs `integrate`: without it there is no time',
      });
    return { kind: 'integral' };
  }
  const { at } = ask.at;
  if (at === 'every step') return { kind: 'every-step' };
  const path = [...ask.path, 'at'];
  if (integrate === null && at !== 'end' && at !== 'start') {
    throw document.error(path, { message: 'without `integrate` there is no time: leave `at` away' });
  }
  const times = (Array.isArray(at) ? at : [at]).map((time) =>
    time === 'start' ? from : time === 'end' ? to : time,
  );
  for (const [n, time] of times.entries()) {
    const place = Array.isArray(at) ? [...path, n] : path;
    if (time < from || time > to) {
      throw document.error(place, {
        message: `loss time ${time} lies outside the interval [${from}, ${to}]`,
      });
    }
    if (n > 0 && time <= times[n - 1]!) {
      throw document.error(place, {
        message: `loss times ascend: ${time} does not come after ${times[n - 1]}`,
      });
    }
  }
  return { kind: 'times', times };
}

function momentOf(document: JobDocument, ask: Asked, label: string, timing: Timing): number {
  const { from, to } = timing;
  const time = label === 'start' ? from : label === 'end' ? to : Number(label);
  if (time >= from && time <= to) return time;
  throw document.error(ask.formula, { message: `\`@${label}\` lies outside the interval [${from}, ${to}]` });
}

// --- arrays of a term -------------------------------------------------------------------------------------

/** An array of a term before it is known whose rows it has. */
interface WithArray extends NamedArray {
  readonly width: number;
  readonly slices: number;
  /** The groups whose number of rows it has: tracers first. */
  readonly groups: readonly WithField['group'][];
}

async function withArrays(
  document: JobDocument,
  ask: Asked,
  at: TermTimes,
  scope: Scope,
  timing: Timing,
  openings: Openings,
): Promise<readonly WithArray[]> {
  const times = timesCount(at, timing);
  const arrays: WithArray[] = [];
  for (const [name, value] of Object.entries(ask.with)) {
    const path = [...ask.path, 'with', name];
    const { opened } = await openOne(document, path, name, value as ArraySpec, openings);
    if (opened.kind === 'generated') {
      const rows = opened.generated.rows ?? scope.tracers?.rows ?? scope.sources?.rows ?? 1;
      const source = generatedRows(opened.generated, rows);
      arrays.push({ name, path, ...shaped(document, path, name, source, 1, scope) });
      continue;
    }
    const { array } = opened;
    const slices = slicesOf(array.shape, times, scope);
    if (slices === null)
      throw shapeErrorAt(document, path, { message: wrongShape(name, array.shape, times, scope) });
    const source = slices.sliced ? asSlices({ ...array, shape: slices.shape }) : asRows(array);
    arrays.push({
      name,
      path,
      ...shaped(document, path, name, { ...source, shape: array.shape }, slices.count, scope),
    });
  }
  return arrays;
}

/** How many times a term is evaluated at; null where the sources choose the steps. An integral's arrays have one slice. */
function timesCount(at: TermTimes, { integrate }: Timing): number | null {
  switch (at.kind) {
    case 'every-step':
      if (integrate === null) return 1;
      return integrate.kind === 'fixed' ? integrate.steps + 1 : null;
    case 'integral':
      return 1;
    case 'times':
      return at.times.length;
  }
}

/**
 * Times × rows × d, or rows × d when it is the same at every time. A matrix whose first axis is no count of rows but the
 * count of times is times × rows.
 */
function slicesOf(
  shape: readonly number[],
  times: number | null,
  scope: Scope,
): { sliced: boolean; count: number; shape: readonly number[] } | null {
  const isRows = (n: number | undefined): boolean => n === scope.tracers?.rows || n === scope.sources?.rows;
  const isTimes = (n: number | undefined): boolean =>
    n !== undefined && n > 0 && (times === null || n === times);
  const [first, second, third = 1] = shape;
  if ((shape.length === 1 || shape.length === 2) && isRows(first)) return { sliced: false, count: 1, shape };
  if ((shape.length === 2 || shape.length === 3) && isTimes(first) && isRows(second)) {
    return { sliced: true, count: first!, shape: [first!, second!, third] };
  }
  return null;
}

function wrongShape(name: string, shape: readonly number[], times: number | null, scope: Scope): string {
  const { tracers, sources } = scope;
  const rows = [tracers && `${tracers.rows} tracers`, sources && `${sources.rows} sources`].filter(
    (r) => r !== null,
  );
  const counted = times === null ? 'one time for every step' : times === 1 ? '1 time' : `${times} times`;
  return `\`${name}\` has shape ${shapeText(shape)}: it is times × rows × components, or rows × components; the job has ${rows.join(' and ')}, the term ${counted}`;
}

function shaped(
  document: JobDocument,
  path: Path,
  name: string,
  source: ArraySource,
  slices: number,
  scope: Scope,
): Omit<WithArray, 'name' | 'path'> {
  const rows = source.rows! / slices;
  const groups = (['tracers', 'sources'] as const).filter((group) => scope[group]?.rows === rows);
  if (groups.length === 0)
    throw shapeErrorAt(document, path, {
      message: `\`${name}\` has ${rows} rows, as many as neither tracers nor sources`,
    });
  if (source.width === 0) throw shapeErrorAt(document, path, { message: `\`${name}\` has no components` });
  return { source, width: source.width, slices, groups };
}

/**
 * A term with its arrays. Where tracers and sources have the same number of rows, the formula decides whose an array is:
 * the first choice under which it can be read.
 */
function checkedTerm(
  document: JobDocument,
  ask: Asked,
  scope: Scope,
  arrays: readonly WithArray[],
): { checked: CheckedLoss; fields: readonly WithField[] } {
  const places = new Map(arrays.map(({ name, path }) => [name, path]));
  const attempt = (fields: readonly WithField[]): CheckedLoss =>
    pointed(document, places, () => checkLoss(document.formula(ask.formula), scope, fields));
  let failure: SkewflowError | undefined;
  for (const fields of choices(arrays)) {
    try {
      return { checked: attempt(fields), fields };
    } catch (error) {
      if (!isSkewflowError(error)) throw error;
      failure ??= error;
    }
  }
  throw failure!;
}

/** More undecided arrays than this all belong to the tracers. */
const undecidedMax = 4;

function choices(arrays: readonly WithArray[]): readonly (readonly WithField[])[] {
  const undecided = arrays.filter(({ groups }) => groups.length > 1);
  const count = undecided.length > undecidedMax ? 1 : 2 ** undecided.length;
  return Array.from({ length: count }, (_, choice) =>
    arrays.map(({ name, width, slices, groups }) => {
      const place = undecided.findIndex((array) => array.name === name);
      const group = groups[place < 0 ? 0 : (choice >> place) & 1] ?? 'tracers';
      return { name, width, slices, group };
    }),
  );
}
