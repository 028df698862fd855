/** Whether the fields that `gradient` and `optimize` name exist and can be differentiated. */
import { didYouMean, listed, type Problem } from '../kernels/formula/diagnostics.ts';
import type { Scope } from '../kernels/formula/index.ts';
import type { System } from '../kernels/system.ts';
import { dependenceOf } from './dependence.ts';
import type { JobDocument } from './document.ts';
import { arraysOf } from './formulas.ts';
import { gradientPaths } from './gradient-path.ts';
import type { JobInputs } from './inputs.ts';
import type { Optimize } from './job.ts';
import type { Path } from './path.ts';
import type { JobForm } from './schema.ts';

/**
 * The fields whose gradient is wanted.
 *
 * @throws JobFileError for a name that is no field, occurs twice, or that the loss does not depend on in a differentiable way
 */
export function gradientOf(
  document: JobDocument,
  form: JobForm,
  inputs: JobInputs,
  scope: Scope,
  system: Pick<System, 'flow' | 'terms'>,
): readonly string[] {
  const { gradient = [] } = form;
  refuseWithoutLoss(document, form, ['gradient'], gradient.length > 0);
  refuseNames(document, ['gradient'], gradient, inputs, scope, form);
  const dependence = dependenceOf(system);
  for (const [n, name] of gradient.entries()) {
    refuseFlat(document, ['gradient', n], name, dependence.get(name));
  }
  return gradient;
}

const defaults = {
  method: 'lbfgs',
  iterations: 100,
  evaluations: 1000,
  gradientTolerance: 1e-6,
  decreaseTolerance: 1e-12,
  rate: 1e-2,
  memory: 10,
} as const;

/** What is optimised, completed with the defaults of the job file. */
export function optimizeOf(
  document: JobDocument,
  form: JobForm,
  inputs: JobInputs,
  scope: Scope,
  system: Pick<System, 'flow' | 'terms'>,
): Optimize | null {
  const { optimize } = form;
  if (optimize === undefined) return null;
  refuseWithoutLoss(document, form, ['optimize'], true);
  const { over, bounds = {}, fixed = {}, ...rest } = optimize;
  refuseNames(document, ['optimize', 'over'], over, inputs, scope, form);
  const dependence = dependenceOf(system);
  const paths = gradientPaths(system);
  const tracers = new Set(scope.tracers?.fields.map((field) => field.name));
  for (const [n, name] of over.entries()) {
    const path = ['optimize', 'over', n];
    if (tracers.has(name)) {
      throw document.error(path, {
        message: `\`${name}\` belongs to the tracers: sources, sets, pairs and params are optimised`,
      });
    }
    refuseFlat(document, path, name, dependence.get(name));
    if (!paths.has(name)) {
      throw document.error(path, {
        message: `nothing can be gained by moving \`${name}\`: its gradient is identically zero, as what the loss has of it cancels`,
      });
    }
  }
  for (const [name, [low, high]] of Object.entries(bounds)) {
    const path = ['optimize', 'bounds', name];
    refuseOutsideOver(document, path, name, over);
    if ((low ?? -Infinity) > (high ?? Infinity)) {
      throw document.error(path, { message: `the lower bound ${low} is above the upper bound ${high}` });
    }
  }
  const rowsOf = new Map(arraysOf(inputs).map(({ name, source }) => [name, source.rows]));
  for (const [name, rows] of Object.entries(fixed)) {
    const path = ['optimize', 'fixed', name];
    refuseOutsideOver(document, path, name, over);
    const count = rowsOf.get(name) ?? 0;
    for (const [n, row] of rows.entries()) {
      if (row >= count)
        throw document.error([...path, n], { message: `\`${name}\` has rows 0 to ${count - 1}` });
    }
  }
  return {
    ...defaults,
    ...definedOnly(rest),
    over,
    bounds: new Map(
      Object.entries(bounds).map(([name, [low, high]]) => [
        name,
        [low ?? -Infinity, high ?? Infinity] as const,
      ]),
    ),
    fixed: new Map(Object.entries(fixed)),
  };
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** An object without the keys that are undefined, which would hide defaults. */
function definedOnly<T extends object>(object: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Partial<
    Defined<T>
  >;
}

function refuseWithoutLoss(document: JobDocument, form: JobForm, path: Path, asked: boolean): void {
  if (asked && form.loss === undefined) {
    throw document.error(
      path,
      { message: `\`${path[0]}\` needs a \`loss\`: there is nothing to differentiate` },
      'key',
    );
  }
}

function refuseOutsideOver(document: JobDocument, path: Path, name: string, over: readonly string[]): void {
  if (!over.includes(name)) {
    throw document.error(
      path,
      {
        message: `\`${name}\` is not optimised: it does not occur in \`over\``,
        hint: didYouMean(name, over),
      },
      'key',
    );
  }
}

/** Refuses a name that is no field of the job, and one that occurs twice. */
function refuseNames(
  document: JobDocument,
  path: Path,
  names: readonly string[],
  inputs: JobInputs,
  scope: Scope,
  form: JobForm,
): void {
  const fields = arraysOf(inputs).map(({ name }) => name);
  for (const [n, name] of names.entries()) {
    if (!fields.includes(name)) throw document.error([...path, n], noField(name, fields, scope, form));
    if (names.indexOf(name) !== n)
      throw document.error([...path, n], { message: `\`${name}\` occurs twice` });
  }
}

function noField(name: string, fields: readonly string[], scope: Scope, form: JobForm): Problem {
  const isWith = Array.isArray(form.loss) && form.loss.some((term) => Object.hasOwn(term.with ?? {}, name));
  const group = name === 'sources' || name === 'tracers' || scope.sets.has(name);
  const what = scope.lets.has(name)
    ? `\`${name}\` is a formula of \`let\``
    : isWith
      ? `\`${name}\` is an array of a loss term`
      : group
        ? `\`${name}\` is a group, not a field`
        : `there is no field \`${name}\``;
  return {
    message: `${what}: a gradient is with respect to a field of sources, sets, pairs, tracers or params`,
    hint: didYouMean(name, fields),
    notes: [`fields: ${listed(fields)}`],
  };
}

function refuseFlat(
  document: JobDocument,
  path: Path,
  name: string,
  dependence: 'flat' | 'smooth' | undefined,
): void {
  if (dependence === 'smooth') return;
  throw document.error(path, {
    message:
      dependence === undefined
        ? `the loss does not depend on \`${name}\`: its gradient is identically zero`
        : `the loss is not differentiable in \`${name}\`: it depends on it only through functions that are flat (such as \`floor\`, \`step\`, comparisons), whose derivative is 0 wherever it exists: its gradient is identically zero`,
  });
}
