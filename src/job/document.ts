/** What a job says and where each part of it stands, whether it came as a file or as an object. */
import type { SkewflowError } from '../errors.ts';
import { type FormulaText, type Problem, plainText } from '../kernels/formula/diagnostics.ts';
import type { Path } from './path.ts';
import { pathText } from './path.ts';
import { pathError } from './problem.ts';

/** The most a job document may hold. */
export const documentBytesMax = 256 * 1024;

/** Advice wherever YAML has probably cut a formula in pieces. */
export const quoteTheFormula =
  'quote the formula: inside { } or [ ] one that holds a comma or a bracket stands in quotes';

export interface JobDocument {
  /** The file, or null for an object. */
  readonly path: string | null;
  /** Absolute: where relative paths start. */
  readonly folder: string;
  /** The document with every `--set` in it. */
  readonly value: unknown;
  /** What is kept beside the results: `value` as text. */
  readonly text: string;
  /** The formula, or number, at a path. */
  readonly formula: (path: Path) => FormulaText;
  /** The key a path ends with, as text. */
  readonly key: (path: Path) => FormulaText;
  /** The error for what stands at a path, or for the key it ends with. */
  readonly error: (path: Path, problem: Problem, part?: 'key' | 'value') => SkewflowError;
  /** Whether the key of a path has no value: what YAML makes of the pieces of an unquoted formula. */
  readonly isEmpty: (path: Path) => boolean;
}

/**
 * A job handed over in memory.
 *
 * @param folder - absolute: where relative paths start
 */
export function objectDocument(value: unknown, folder: string): JobDocument {
  return {
    path: null,
    folder,
    value,
    // Made when it is asked for: only of a value that has the form of a job.
    get text() {
      return `${JSON.stringify(value, summarised, 2)}\n`;
    },
    formula: (path) => plainText(String(valueAt(value, path)), pathText(path)),
    key: (path) => plainText(String(path.at(-1)), pathText(path.slice(0, -1))),
    error: (path, problem) => pathError(path, problem),
    isEmpty: () => false,
  };
}

/** Numbers in a list beyond which the text kept beside the results says only how many they are. */
const listedNumbersMax = 1000;

/** Arrays in memory are named by type and length. */
function summarised(_key: string, value: unknown): unknown {
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name}(${'length' in value ? String(value.length) : ''})`;
  if (Array.isArray(value) && value.length > listedNumbersMax) return `list of ${value.length}`;
  return value;
}

/** What stands at a path; undefined where nothing does. */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<number | string, unknown>)[step];
  }
  return at;
}
