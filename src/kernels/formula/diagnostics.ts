/** How a mistake in a formula is shown: where it is, the line, a caret under it and the name that was probably meant. */
import { SkewflowError } from '../../errors.ts';
import type { Span } from './syntax.ts';

/** A formula and how its characters map to the file it stands in. */
export interface FormulaText {
  readonly text: string;
  /** For messages: maps an offset in `text` to the file, line and column (from 1) and the line as it stands there. */
  readonly locate: (offset: number) => Place;
}

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly lineText: string;
}

/** A formula that stands in no file: lines and columns count in the text itself. */
export function plainText(text: string, file = 'formula'): FormulaText {
  return {
    text,
    locate: (offset) => {
      const before = text.slice(0, offset);
      const start = before.lastIndexOf('\n') + 1;
      const end = text.indexOf('\n', start);
      return {
        file,
        line: before.split('\n').length,
        column: before.length - start + 1,
        lineText: text.slice(start, end < 0 ? text.length : end),
      };
    },
  };
}

/** What is wrong, and what to do about it. */
export interface Problem {
  /** One line: what was expected and what came. */
  readonly message: string;
  /** Stands beside the caret: what was probably meant. */
  readonly hint?: string | undefined;
  /** Further lines below. */
  readonly notes?: readonly string[] | undefined;
}

/**
 * The error for a mistake at `span` of `source`:
 *
 *     job.yaml:4:7: unknown name `epsilom`
 *       4 │   x: exp(-sqdist(x, y) / epsilom)
 *         │                          ^^^^^^^ did you mean `epsilon`?
 */
export function formulaError(source: FormulaText, span: Span, problem: Problem): SkewflowError {
  const { file, line, column, lineText } = source.locate(span.start);
  const view = excerpt(lineText, column, Math.max(1, span.end - span.start));
  const gutter = String(line);
  const lines = [
    `${file}:${line}:${column}: ${problem.message}`,
    `  ${gutter} │ ${view.line}`,
    `  ${' '.repeat(gutter.length)} │ ${view.carets}${problem.hint === undefined ? '' : ` ${problem.hint}`}`,
    ...(problem.notes ?? []).map((note) => `  ${note}`),
  ];
  return new SkewflowError('FormulaError', lines.join('\n'), { file, line, column });
}

/** Characters of the source line shown before and after the start of the caret. */
const shownBefore = 60;
const shownAfter = 60;

function excerpt(lineText: string, column: number, length: number): { line: string; carets: string } {
  const at = column - 1;
  const from = at > shownBefore + 1 ? at - shownBefore : 0;
  const to = lineText.length > at + shownAfter + 1 ? at + shownAfter : lineText.length;
  const lead = from > 0 ? '…' : '';
  const line = lead + lineText.slice(from, to) + (to < lineText.length ? '…' : '');
  // Tabs stay tabs, so that the caret stands under its character however wide a tab is shown.
  const margin =
    ' '.repeat(lead.length) +
    lineText
      .slice(from, at)
      .replace(/[^\t]/gu, ' ')
      .padEnd(at - from);
  return { line, carets: margin + '^'.repeat(Math.max(1, Math.min(length, to - at))) };
}

/** `did you mean …?` when one of `names` is near enough to `name`, else undefined. */
export function didYouMean(name: string, names: Iterable<string>): string | undefined {
  const near = nearest(name, names);
  return near === undefined ? undefined : `did you mean \`${near}\`?`;
}

/** Names longer than this are nobody's slip of the pen, and comparing them takes time. */
const comparedLength = 64;

/** Letters that abbreviate a name; fewer begin too many. */
const abbreviationLength = 3;

/**
 * The name at the smallest edit distance, if that is at most a third of the length (at least 1); else the only one that begins
 * so: `grad` for `gradient`.
 */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const all = [...names];
  const near = atLeastDistance(name, all);
  if (near !== undefined || name.length < abbreviationLength) return near;
  const [only, second] = all.filter((candidate) => candidate !== name && candidate.startsWith(name));
  return second === undefined ? only : undefined;
}

function atLeastDistance(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 0.5;
  if (name.length > comparedLength) return undefined;
  for (const candidate of names) {
    if (candidate === name || Math.abs(candidate.length - name.length) >= bestDistance) continue;
    // A difference of case alone counts less than any other.
    const same = candidate.toLowerCase() === name.toLowerCase();
    const distance = same ? 0.5 : editDistance(name, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * The least number of insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`
 * (optimal string alignment).
 *
 *   d[m][n] = min(d[m−1][n] + 1, d[m][n−1] + 1, d[m−1][n−1] + [a_m ≠ b_n], d[m−2][n−2] + 1 for a swap)
 *
 * Damerau, _A technique for computer detection and correction of spelling errors_, CACM 7 (1964).
 */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let m = 1; m <= a.length; m++) {
    const row = [m];
    for (let n = 1; n <= b.length; n++) {
      const change = a[m - 1] === b[n - 1] ? 0 : 1;
      let d = Math.min(above[n]! + 1, row[n - 1]! + 1, above[n - 1]! + change);
      if (m > 1 && n > 1 && a[m - 1] === b[n - 2] && a[m - 2] === b[n - 1])
        d = Math.min(d, before[n - 2]! + 1);
      row.push(d);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}

/** Names as a sentence shows them: `x`, `q` and 3 more. */
export function listed(names: readonly string[], shown = 12): string {
  const quoted = names.slice(0, shown).map((n) => `\`${n}\``);
  if (names.length > shown) return `${quoted.join(', ')} and ${names.length - shown} more`;
  if (quoted.length < 2) return quoted.join('');
  return `${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)}`;
}
