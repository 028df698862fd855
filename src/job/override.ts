/** What `--set params.sigma=0.3` changes in a job before it is read. */
import { type Document, isMap, isSeq, parseDocument } from 'yaml';
import { SkewflowError } from '../errors.ts';
import { didYouMean } from '../kernels/formula/diagnostics.ts';
import { valueAt } from './document.ts';
import type { Path } from './path.ts';

export interface Override {
  /** As given, for messages. */
  readonly text: string;
  readonly path: Path;
  readonly value: unknown;
}

/**
 * Reads `path=value`: the path's keys are separated by dots, places in lists count from 0, the value is YAML.
 *
 * @throws UsageError for text without `=`, an empty path or a value that is no YAML
 */
export function parseOverride(text: string): Override {
  const refuse = (why: string): never => {
    throw new SkewflowError('UsageError', `--set ${text}: ${why}`);
  };
  const equals = text.indexOf('=');
  if (equals < 1) refuse('expected `path=value`, for example `params.sigma=0.3`');
  const path = text.slice(0, equals).trim().split('.');
  if (path.some((step) => step === '')) refuse('a path is keys separated by single dots');
  const document = parseDocument(text.slice(equals + 1), { logLevel: 'error', prettyErrors: false });
  if (document.errors.length > 0) refuse(`the value is not YAML: ${document.errors[0]!.message}`);
  return { text, path, value: document.toJS({ maxAliasCount: 100 }) };
}

/** Maps whose keys the job chooses: a name that is not there is a slip of the pen, not a new entry. */
const named = new Set(['flow', 'let', 'pairs', 'params', 'sets', 'sources', 'tracers', 'values']);

/** Replaces or adds values in a parsed file; comments and order stay. */
export function applyToDocument(document: Document, overrides: readonly Override[]): void {
  for (const override of overrides) {
    refuseNewName(document.toJS({ maxAliasCount: 100 }), override);
    const parent = document.getIn(override.path.slice(0, -1));
    if (override.path.length > 1 && parent !== undefined && !isMap(parent) && !isSeq(parent))
      refuseParent(override);
    document.setIn([...override.path], document.createNode(override.value));
  }
}

/** A copy of an object with the values in it; the object itself is not changed. */
export function applyToObject(value: unknown, overrides: readonly Override[]): unknown {
  return overrides.reduce((object, override) => {
    refuseNewName(object, override);
    return replaced(object, override, 0);
  }, value);
}

function replaced(value: unknown, override: Override, depth: number): unknown {
  const step = override.path[depth];
  if (step === undefined) return override.value;
  if (Array.isArray(value)) {
    const place = Number(step);
    if (!Number.isInteger(place) || place < 0 || place >= value.length) refuseParent(override);
    return value.with(place, replaced(value[place], override, depth + 1));
  }
  if (value !== undefined && (typeof value !== 'object' || value === null || ArrayBuffer.isView(value))) {
    return refuseParent(override);
  }
  const old = Object.entries(value ?? {});
  const known = old.some(([key]) => key === step);
  const entries = known ? old : [...old, [step, undefined] as const];
  return Object.fromEntries(
    entries.map(([key, item]) => [
      key,
      key === step ? replaced(item, override, depth + 1) : (item as unknown),
    ]),
  );
}

function refuseNewName(value: unknown, { text, path }: Override): void {
  const [section, name] = path;
  if (!named.has(String(section)) || name === undefined || name === 'rows') return;
  const names = Object.keys((valueAt(value, [section!]) as object | undefined) ?? {});
  if (names.includes(String(name))) return;
  const hint = didYouMean(String(name), names);
  throw new SkewflowError(
    'UsageError',
    `--set ${text}: the job has no \`${section}.${name}\`${hint === undefined ? '' : `: ${hint}`}`,
  );
}

function refuseParent({ text }: Override): never {
  throw new SkewflowError(
    'UsageError',
    `--set ${text}: the path goes through something that is neither a map nor a list`,
  );
}
