/** How a job file is read, so that every part of it knows its line and column. */
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
} from 'yaml';
import { unreadable } from '../arrays/byte-file.ts';
import { SkewflowError } from '../errors.ts';
import { type FormulaText, type Place, plainText } from '../kernels/formula/diagnostics.ts';
import { documentBytesMax, type JobDocument, quoteTheFormula } from './document.ts';
import { applyToDocument, type Override } from './override.ts';
import { type Path, pathText } from './path.ts';
import { pathError, type Spot, spotError } from './problem.ts';
import { type ScalarStyle, scalarOffsets } from './scalar-text.ts';

/**
 * Reads a job file.
 *
 * @throws JobFileError for a file that is missing, larger than 256 KiB, no text or no YAML
 */
export async function readJobFile(path: string, overrides: readonly Override[]): Promise<JobDocument> {
  return parseJobText(await readText(path), path, overrides);
}

async function readText(path: string): Promise<string> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new SkewflowError('JobFileError', `${path}: ${why}`, {}, { cause });
  };
  const handle = await open(path, 'r').catch((cause: unknown) => refuse(unreadable(cause), cause));
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) refuse('this is a folder, not a job file');
    if (stat.size > documentBytesMax) {
      refuse(
        `a job file has at most ${documentBytesMax} bytes, this one ${stat.size}: keep numbers in array files`,
      );
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(await handle.readFile());
  } catch (cause) {
    if (cause instanceof TypeError) return refuse('this is not text in UTF-8', cause);
    throw cause;
  } finally {
    await handle.close();
  }
}

/** The document in a text; `path` names it in messages, and relative paths start in its folder. */
export function parseJobText(text: string, path: string, overrides: readonly Override[]): JobDocument {
  const lines = new LineCounter();
  const file: File = { path, text, lines };
  const document = parsed(file);
  if (!isMap(document.contents)) {
    throw spotError(spotIn(file, document.contents?.range?.[0] ?? 0, 1), {
      message: 'a job is a map of `sources`, `tracers`, `flow`, `loss`, …: `key: value` on each line',
    });
  }
  applyToDocument(document, overrides);
  const at = (steps: Path): Found => found(document, steps);
  return {
    path,
    folder: dirname(resolve(path)),
    value: plainValue(document, file),
    text: overrides.length === 0 ? text : document.toString(),
    formula: (steps) => textOf(file, at(steps).node, steps),
    key: (steps) => textOf(file, at(steps).key, steps),
    error: (steps, problem, part = 'value') => {
      const { key, node } = at(steps);
      const spot = isOverridden(steps, overrides) ? null : spotOf(file, part === 'key' ? key : (node ?? key));
      return spot === null ? pathError(steps, problem, '--set ') : spotError(spot, problem);
    },
    isEmpty: (steps) => {
      const { key, node } = at(steps);
      return key !== null && (node === null || (isScalar(node) && node.value === null));
    },
  };
}

/** Whether what stands at a path, or around it, came from a `--set` whole: the file says nothing of it. */
function isOverridden(steps: Path, overrides: readonly Override[]): boolean {
  return overrides.some(({ path }) => path.every((step, n) => String(step) === String(steps[n])));
}

interface File {
  readonly path: string;
  readonly text: string;
  readonly lines: LineCounter;
}

function parsed(file: File): Document {
  let document: Document;
  try {
    document = parseDocument(file.text, { lineCounter: file.lines, logLevel: 'error', prettyErrors: false });
  } catch (cause) {
    throw tooDeep(file, cause);
  }
  const [first] = [...document.errors, ...document.warnings];
  if (first === undefined) return document;
  // The parser catches the end of the stack itself, and says so in the engine's words.
  if (/call stack|recursion/iu.test(first.message)) throw tooDeep(file, new RangeError(first.message));
  const begin = Math.min(first.pos[0], file.text.length);
  if (first.code === 'DUPLICATE_KEY') {
    const key = /^[^\s:]+/u.exec(file.text.slice(begin))?.[0] ?? '';
    throw spotError(spotIn(file, begin, Math.max(1, key.length)), { message: 'this key occurs twice' });
  }
  const spot = spotIn(file, begin, Math.max(1, first.pos[1] - begin));
  const line = spot.source.locate(begin).lineText;
  throw spotError(spot, {
    message: `not YAML: ${first.message}`,
    notes:
      first.code === 'TAB_AS_INDENT' ? ['indent with spaces'] : /[([]/u.test(line) ? [quoteTheFormula] : [],
  });
}

/** Aliases are expanded (at most 100 times), and nothing but plain data comes out. */
function plainValue(document: Document, file: File): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    if (cause instanceof ReferenceError) {
      throw new SkewflowError('JobFileError', `${file.path}: ${cause.message}`, {}, { cause });
    }
    throw tooDeep(file, cause);
  }
}

/** The parser recurses; the end of the stack is the only other thing it throws. */
function tooDeep(file: File, cause: unknown): SkewflowError {
  if (!(cause instanceof RangeError)) throw cause;
  return new SkewflowError('JobFileError', `${file.path}: lists or maps are nested too deep`, {}, { cause });
}

// --- nodes ------------------------------------------------------------------------------------------------

interface Found {
  readonly key: Node | null;
  readonly node: Node | null;
}

/** The node at a path, or the deepest there is on the way, so that something can always be shown. */
function found(document: Document, path: Path): Found {
  let key: Node | null = null;
  let node = document.contents as Node | null;
  for (const step of path) {
    const into = isAlias(node) ? (node.resolve(document) ?? null) : node;
    if (isMap(into)) {
      // A key that came with a `--set` is the text itself.
      const pair = (into.items as Pair<Node | string, Node | null>[]).find(
        (item) => String(isScalar(item.key) ? item.key.value : item.key) === String(step),
      );
      if (pair === undefined) break;
      key = typeof pair.key === 'string' ? null : pair.key;
      node = pair.value;
    } else if (isSeq(into)) {
      const item = into.items[Number(step)] as Node | undefined;
      if (item === undefined) break;
      node = item;
    } else break;
  }
  return { key, node: isAlias(node) ? (node.resolve(document) ?? node) : node };
}

/** A scalar with the place of each of its characters; a number is its own text. */
function textOf(file: File, node: Node | null, path: Path): FormulaText {
  if (!isScalar(node) || node.range == null) {
    return plainText(isScalar(node) ? String(node.value) : '', `--set ${pathText(path)}`);
  }
  const text = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  const [begin, end] = scalarRange(file.text, node);
  const offsets = scalarOffsets(text, file.text, begin, end, styleOf(node));
  return { text, locate: (offset) => placeOf(file, offsets[Math.min(offset, text.length)] ?? begin) };
}

function styleOf(node: Scalar): ScalarStyle {
  if (node.type === 'QUOTE_DOUBLE') return 'double-quoted';
  return node.type === 'QUOTE_SINGLE' ? 'single-quoted' : 'as-is';
}

/** The characters of a scalar; a block's `|` or `>` and the rest of that line are no part of them. */
function scalarRange(text: string, node: Scalar): readonly [number, number] {
  const [begin, end] = node.range!;
  if (node.type !== 'BLOCK_LITERAL' && node.type !== 'BLOCK_FOLDED') return [begin, end];
  const line = text.indexOf('\n', begin);
  return [line < 0 ? end : line + 1, end];
}

// --- places -----------------------------------------------------------------------------------------------

/** Where a node stands: a scalar whole, a list or map by its first line. null for one that came from `--set`. */
function spotOf(file: File, node: Node | null): Spot | null {
  if (node?.range == null) return null;
  const [begin, end] = node.range;
  const line = file.text.indexOf('\n', begin);
  const last = line < 0 ? end : Math.min(end, line);
  return spotIn(file, begin, Math.max(1, file.text.slice(begin, last).trimEnd().length));
}

function spotIn(file: File, begin: number, length: number): Spot {
  const source: FormulaText = { text: file.text, locate: (offset) => placeOf(file, offset) };
  return { source, start: begin, end: begin + length };
}

function placeOf(file: File, offset: number): Place {
  const { line, col } = file.lines.linePos(offset);
  const start = offset - (col - 1);
  const end = file.text.indexOf('\n', start);
  const lineText = file.text.slice(start, end < 0 ? file.text.length : end).replace(/\r$/u, '');
  return { file: file.path, line, column: col, lineText };
}
