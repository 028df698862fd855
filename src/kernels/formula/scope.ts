/** What the names of a job's formulas mean. */
import { SkewflowError } from '../../errors.ts';
import type { Field } from '../system.ts';
import { type FormulaText, formulaError } from './diagnostics.ts';
import { formulaFunctions } from './functions.ts';
import { parse } from './parser.ts';
import { indexNames, isIdentifier, reductionNames, type Span, type Syntax } from './syntax.ts';

/** Rows that belong together, as formulas see them. */
export interface Rows {
  readonly rows: number;
  readonly fields: readonly Field[];
}

/** An entry of `let`: a formula, with parameters (a list, perhaps empty) or without (null). */
export interface LetEntry {
  readonly params: readonly string[] | null;
  readonly body: FormulaText;
}

export interface Scope {
  readonly sources: Rows | null;
  readonly tracers: Rows | null;
  readonly sets: ReadonlyMap<string, Rows>;
  readonly pairs: readonly Field[];
  readonly params: readonly Field[];
  readonly lets: ReadonlyMap<string, LetEntry>;
  /** Fields with an entry in `flow`. */
  readonly evolving: ReadonlySet<string>;
}

/** An array of one loss term: its slices follow the term's times. */
export type WithField = Field & { readonly slices: number; readonly group: 'sources' | 'tracers' };

/** What a name stands for. `over` is 'sources', 'tracers' or the name of a set. */
export type Meaning =
  | { readonly kind: 'field'; readonly field: Field; readonly over: string; readonly evolving: boolean }
  | { readonly kind: 'let'; readonly entry: LetEntry }
  | { readonly kind: 'pair'; readonly field: Field }
  | { readonly kind: 'param'; readonly field: Field };

/** Every name that formulas may use, but for functions, indices, `t` and `pi`. */
export function meanings(scope: Scope, withFields: readonly WithField[] = []): ReadonlyMap<string, Meaning> {
  const all = new Map<string, Meaning>();
  const addFields = (over: string, fields: readonly Field[]): void => {
    for (const field of fields)
      all.set(field.name, { kind: 'field', field, over, evolving: scope.evolving.has(field.name) });
  };
  addFields('tracers', scope.tracers?.fields ?? []);
  addFields('sources', scope.sources?.fields ?? []);
  for (const [name, set] of scope.sets) addFields(name, set.fields);
  for (const field of scope.pairs) all.set(field.name, { kind: 'pair', field });
  for (const field of scope.params) all.set(field.name, { kind: 'param', field });
  for (const [name, entry] of scope.lets) all.set(name, { kind: 'let', entry });
  for (const field of withFields)
    all.set(field.name, { kind: 'field', field, over: field.group, evolving: false });
  return all;
}

/** Number of rows of the sources ('sources'), the tracers ('tracers') or a set; null when the job has none such. */
export function rowsOf(scope: Scope, over: string): number | null {
  if (over === 'sources') return scope.sources?.rows ?? null;
  if (over === 'tracers') return scope.tracers?.rows ?? null;
  return scope.sets.get(over)?.rows ?? null;
}

/** Names that are not for fields: indices, time, π, the word `in`, and `rows`, which gives a count of rows. */
const reserved = new Map<string, string>([
  ...indexNames.map((n): [string, string] => [n, 'an index']),
  ['t', 'the time'],
  ['pi', 'the number π'],
  ['in', 'a word of the language'],
  ['rows', 'reserved for a count of rows'],
]);

/** Names of groups, which a set cannot have. */
const groupNames = ['sources', 'tracers'];

/**
 * Refuses a scope whose names are not unique, are reserved, or whose `let` entries do not parse or use themselves.
 *
 * @throws JobFileError for a name, with `details.name`; FormulaError for the body of a `let` entry
 */
export function checkScope(scope: Scope, withFields: readonly WithField[] = []): void {
  const roles = new Map(reserved);
  for (const name of [...Object.keys(formulaFunctions), ...reductionNames]) roles.set(name, 'a function');

  const claim = (name: string, role: string): void => {
    if (!isIdentifier(name)) {
      refuse(
        name,
        `\`${name}\` cannot be a name in formulas: a letter or \`_\`, then letters, digits and \`_\``,
      );
    }
    const taken = roles.get(name);
    if (taken !== undefined)
      refuse(name, `\`${name}\` is ${taken} and cannot also be ${role}: choose another name`);
    roles.set(name, role);
  };

  for (const field of scope.sources?.fields ?? []) claim(field.name, 'a field of the sources');
  for (const field of scope.tracers?.fields ?? []) claim(field.name, 'a field of the tracers');
  for (const [set, { fields }] of scope.sets) {
    if (groupNames.includes(set))
      refuse(set, `\`${set}\` cannot be the name of a set: it names a group of the job`);
    claim(set, 'the name of a set');
    for (const field of fields) claim(field.name, `a field of the set \`${set}\``);
  }
  for (const field of scope.pairs) claim(field.name, 'a pair field');
  for (const field of scope.params) claim(field.name, 'a parameter of the job');
  for (const name of scope.lets.keys()) claim(name, 'a `let` name');
  for (const field of withFields) claim(field.name, 'an array of a loss term');

  for (const [name, { params }] of scope.lets) {
    for (const [place, param] of (params ?? []).entries()) {
      if (!isIdentifier(param))
        refuse(name, `\`${param}\` cannot be a parameter of \`${name}\`: it is not a name`);
      if (params?.indexOf(param) !== place)
        refuse(name, `parameter \`${param}\` of \`${name}\` occurs twice`);
    }
  }
  refuseRecursion(scope);
}

function refuse(name: string, message: string): never {
  throw new SkewflowError('JobFileError', message, { name });
}

/** Depth-first through the `let` entries, with an explicit stack: a job may have thousands in a chain. */
function refuseRecursion(scope: Scope): void {
  const uses = new Map<string, readonly Use[]>();
  for (const [name, entry] of scope.lets) uses.set(name, usesOf(entry, scope.lets));

  const done = new Set<string>();
  for (const start of scope.lets.keys()) {
    const path: { name: string; next: number }[] = [{ name: start, next: 0 }];
    const open = new Set([start]);
    while (path.length > 0) {
      const top = path.at(-1)!;
      const use = uses.get(top.name)?.[top.next++];
      if (use === undefined || done.has(top.name)) {
        done.add(top.name);
        open.delete(top.name);
        path.pop();
      } else if (open.has(use.name)) {
        const circle = [
          ...path.slice(path.findIndex((p) => p.name === use.name)).map((p) => p.name),
          use.name,
        ];
        throw formulaError(scope.lets.get(top.name)!.body, use.span, {
          message: `\`let\` entries cannot use themselves: ${circle.join(' → ')}`,
        });
      } else if (!done.has(use.name)) {
        open.add(use.name);
        path.push({ name: use.name, next: 0 });
      }
    }
  }
}

interface Use {
  readonly name: string;
  readonly span: Span;
}

/** The other entries an entry's body names; its parameters shadow them. */
function usesOf(entry: LetEntry, lets: Scope['lets']): readonly Use[] {
  const found: Use[] = [];
  const pending: Syntax[] = [parse(entry.body)];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.kind === 'name' || node.kind === 'call') {
      const { name, nameSpan: span } = node;
      if (lets.has(name) && entry.params?.includes(name) !== true) found.push({ name, span });
    }
    pending.push(...childrenOf(node));
  }
  return found;
}

function childrenOf(node: Syntax): readonly Syntax[] {
  switch (node.kind) {
    case 'binary':
      return [node.left, node.right];
    case 'call':
    case 'reduction':
      return node.args;
    case 'name':
    case 'number':
      return [];
    case 'negate':
      return [node.arg];
  }
}
