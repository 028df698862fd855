/** What the formulas of a job say, as the system they describe: names resolved, widths agreed, times placed. */
import { isSkewflowError } from '../errors.ts';
import { didYouMean, listed } from '../kernels/formula/diagnostics.ts';
import {
  checkFlow,
  checkScope,
  checkValue,
  isIdentifier,
  type LetEntry,
  parseLetKey,
  type Scope,
} from '../kernels/formula/index.ts';
import type { Expr } from '../kernels/ir/expr.ts';
import type { SchemeName } from '../kernels/schemes/table.ts';
import type { Group } from '../kernels/system.ts';
import type { JobDocument } from './document.ts';
import { fieldsOf, type GroupInput, type JobInputs, type NamedArray } from './inputs.ts';
import type { Integrate } from './job.ts';
import type { Path } from './path.ts';
import type { JobForm } from './schema.ts';

/** When the job happens, and how it is stepped. */
export interface Timing {
  readonly scheme: SchemeName | null;
  readonly integrate: Integrate | null;
  readonly from: number;
  readonly to: number;
}

/**
 * The interval and the steps.
 *
 * @throws JobFileError for a flow without `integrate` or the reverse, an interval that does not ascend, both or neither of
 *   `steps` and `tolerance`, and a tolerance that no source could keep
 */
export function timingOf(document: JobDocument, form: JobForm): Timing {
  const { integrate, flow = {} } = form;
  const evolves = Object.keys(flow).length > 0;
  if (integrate === undefined) {
    if (!evolves) return { scheme: null, integrate: null, from: 0, to: 0 };
    throw document.error(
      ['flow'],
      {
        message: 'a flow needs `integrate`',
        hint: 'add `integrate: { scheme: rk4, from: 0, to: 1, steps: 100 }`',
      },
      'key',
    );
  }
  if (!evolves) {
    throw document.error(['integrate'], { message: '`integrate` without a `flow`: nothing evolves' }, 'key');
  }
  const { scheme, from = 0, to, steps, tolerance } = integrate;
  if (from >= to) {
    throw document.error(['integrate', 'to'], {
      message: `time runs forward: \`to\` (${to}) must be above \`from\` (${from})`,
    });
  }
  if (steps !== undefined && tolerance === undefined) {
    return { scheme, integrate: { kind: 'fixed', steps }, from, to };
  }
  if (steps !== undefined || tolerance === undefined) {
    const which = steps === undefined ? 'one of' : 'only one of';
    throw document.error(
      ['integrate'],
      { message: `\`integrate\` takes ${which} \`steps\` and \`tolerance\`` },
      'key',
    );
  }
  if (scheme !== 'dopri5') {
    throw document.error(
      ['integrate', 'tolerance'],
      {
        message: `\`${scheme}\` has no error estimate`,
        hint: 'use `scheme: dopri5`, or `steps`',
      },
      'key',
    );
  }
  if (!Object.keys(form.sources ?? {}).some((name) => Object.hasOwn(flow, name))) {
    throw document.error(
      ['integrate', 'tolerance'],
      {
        message: 'the sources choose the steps, and no source evolves',
        hint: 'use `steps`',
      },
      'key',
    );
  }
  return { scheme, integrate: { kind: 'adaptive', ...tolerance }, from, to };
}

/**
 * What the names of the job mean.
 *
 * @throws JobFileError for a name that is taken, reserved or no name; FormulaError for a `let` entry that does not parse
 */
export function scopeOf(document: JobDocument, form: JobForm, inputs: JobInputs): Scope {
  const { sources, tracers, sets, pairs, params } = inputs;
  const scope: Scope = {
    sources,
    tracers,
    sets,
    pairs: fieldsOf(pairs),
    params: fieldsOf(params),
    lets: letsOf(document, form),
    evolving: new Set(Object.keys(form.flow ?? {})),
  };
  const places = new Map<string, Path>([...sets.keys()].map((name) => [name, ['sets', name]]));
  for (const { name, path } of arraysOf(inputs)) places.set(name, path);
  for (const key of Object.keys(form.let ?? {})) places.set(/^[^\s(]*/u.exec(key)![0], ['let', key]);
  pointed(document, places, () => checkScope(scope));
  return scope;
}

/** Every array of the job but those of loss terms. */
export function arraysOf(inputs: JobInputs): readonly NamedArray[] {
  const { sources, tracers, sets, pairs, params } = inputs;
  const groups = [sources, tracers, ...sets.values()];
  return [...groups.flatMap((group) => group?.arrays ?? []), ...pairs, ...params];
}

/** Runs a check of names; what it finds is shown at the last place that gives the name. */
export function pointed<T>(document: JobDocument, places: ReadonlyMap<string, Path>, check: () => T): T {
  try {
    return check();
  } catch (error) {
    const name = isSkewflowError(error, 'JobFileError') ? error.details['name'] : undefined;
    const path = typeof name === 'string' ? places.get(name) : undefined;
    if (path === undefined || !isSkewflowError(error)) throw error;
    throw document.error(path, { message: error.message }, 'key');
  }
}

function letsOf(document: JobDocument, form: JobForm): ReadonlyMap<string, LetEntry> {
  const lets = new Map<string, LetEntry>();
  for (const key of Object.keys(form.let ?? {})) {
    const path = ['let', key];
    const { name, params } = parseLetKey(document.key(path));
    if (lets.has(name)) {
      throw document.error(
        path,
        { message: `\`${name}\` is defined twice: a \`let\` name has one list of parameters` },
        'key',
      );
    }
    lets.set(name, { params, body: document.formula(path) });
  }
  return lets;
}

/** d/dt of everything that evolves. */
export function flowsOf(document: JobDocument, form: JobForm, scope: Scope): ReadonlyMap<string, Expr> {
  const movable = [...(scope.sources?.fields ?? []), ...(scope.tracers?.fields ?? [])].map(
    (field) => field.name,
  );
  return new Map(
    Object.keys(form.flow ?? {}).map((name) => {
      const path = ['flow', name];
      if (!movable.includes(name)) {
        const hint = didYouMean(name, movable);
        const message = `\`${name}\` is no field of the sources or the tracers: only those evolve`;
        const notes = [`fields: ${listed(movable)}`];
        throw document.error(path, hint === undefined ? { message, notes } : { message, hint, notes }, 'key');
      }
      return [name, checkFlow(document.formula(path), name, scope)];
    }),
  );
}

/** Outputs of every tracer at the end time; a name becomes the name of a file. */
export function valuesOf(document: JobDocument, form: JobForm, scope: Scope): ReadonlyMap<string, Expr> {
  return new Map(
    Object.keys(form.values ?? {}).map((name) => {
      const path = ['values', name];
      if (!isIdentifier(name)) {
        throw document.error(
          path,
          { message: 'the name of an output is a letter or `_`, then letters, digits and `_`' },
          'key',
        );
      }
      return [name, checkValue(document.formula(path), scope)];
    }),
  );
}

/** The fields of a group, apart by whether they evolve. */
export function groupOf(input: GroupInput, evolving: ReadonlySet<string>): Group {
  return {
    rows: input.rows,
    evolving: input.fields.filter((field) => evolving.has(field.name)),
    constant: input.fields.filter((field) => !evolving.has(field.name)),
  };
}
