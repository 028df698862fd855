/** How an explanation reads on a terminal. */
import { bytesText } from '../job/bytes.ts';
import type { Explanation } from './explain.ts';
import type { FormulaSection } from './formulas.ts';
import type { BlockKind, Jacobian } from './jacobian.ts';
import { aligned, columns, counted, grouped, wrapped } from './text.ts';

/** What an explanation can say, in the order it is said. */
export type ExplanationPart =
  | 'dense'
  | 'formulas'
  | 'head'
  | 'jacobian'
  | 'kernels'
  | 'listings'
  | 'memory'
  | 'warnings'
  | 'work';

type Write = (e: Explanation) => readonly string[];

const writers: Readonly<Record<ExplanationPart, Write>> = {
  head: (e) => [head(e)],
  jacobian: (e) => [section('The Jacobian of one step', jacobianText(e.jacobian))],
  formulas: (e) => [section('Formulas, forward and derived', formulasText(e))],
  work: (e) => [section('Work of one gradient', workText(e))],
  memory: (e) => [section('Memory and traffic', memoryText(e))],
  dense: (e) => (e.dense === null ? [] : [section('Without the structure', denseText(e))]),
  kernels: (e) => [section('Kernels', kernelsText(e))],
  listings: (e) =>
    (e.listings ?? []).map((l) => section(`${l.name} in ${l.lane}`, l.text.trimEnd().split('\n'))),
  warnings: (e) =>
    e.warnings.length === 0
      ? []
      : [
          section(
            'Warnings',
            e.warnings.flatMap((w) => wrapped(w)),
          ),
        ],
};

/**
 * The explanation as text, or some parts of it.
 *
 * @param explanation - what `explain` found
 * @param parts - which, in this order; all by default
 *
 * @example
 * process.stdout.write(explainText(await explain('job.yaml'), ['jacobian', 'formulas']));
 */
export function explainText(
  explanation: Explanation,
  parts: readonly ExplanationPart[] = Object.keys(writers) as ExplanationPart[],
): string {
  return parts.flatMap((part) => writers[part](explanation)).join('\n');
}

function head({ name, size, precision }: Explanation): string {
  const parts = [
    size.tracers > 0 ? `N = ${grouped(size.tracers)} tracers` : 'no tracers',
    size.sources > 0 ? `M = ${grouped(size.sources)} sources` : 'no sources',
    size.steps > 0 ? `T = ${counted(size.steps, 'step')} of ${counted(size.stages, 'stage')}` : 'no flow',
    precision,
    `${counted(size.shards, 'shard')} of ${counted(size.blocks, 'block')}`,
    size.phases === 1 ? 'one phase' : 'two phases',
  ];
  return `${wrapped(`${name}: ${parts.join(', ')}`, columns).join('\n')}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return `${title}\n${lines.map((l) => (l === '' ? '' : `  ${l}`)).join('\n')}\n`;
}

const marks: Readonly<Record<BlockKind, string>> = { dense: 'dense', diagonal: 'diagonal', zero: '·' };

/** One row of a group; a set has its own name. */
const groupNames: ReadonlyMap<string, string> = new Map([
  ['tracers', 'tracer'],
  ['sources', 'source'],
  ['params', 'param'],
  ['pairs', 'pair'],
]);

/** The block table, and one sentence a kind of block that is there. */
export function jacobianText({ rows, columns, kinds }: Jacobian): readonly string[] {
  if (rows.length === 0) return ['nothing evolves'];
  const table = [
    ['', ...columns.map((c) => c.field)],
    ['', ...columns.map((c) => groupNames.get(c.group) ?? c.group)],
    ...rows.map((row, r) => [`${row.field}′`, ...(kinds[r] ?? []).map((k) => marks[k])]),
  ];
  const tracers = rows.filter((r) => r.group === 'tracers');
  const sources = rows.filter((r) => r.group === 'sources');
  const notes: string[] = [];
  if (tracers.length > 0) {
    const n = grouped(tracers[0]?.rows ?? 0);
    const d = tracers.reduce((w, t) => w + t.width, 0);
    notes.push(
      `∂tracers′/∂tracers: diagonal: ${n} blocks of ${d}×${d}, nothing between two tracers; each goes back on its own`,
    );
    if (sources.length > 0) {
      notes.push(
        '∂tracers′/∂sources: dense: summed over the tracers as it is made, never stored: Γ, M numbers a stage',
      );
      notes.push('∂sources′/∂tracers: zero: the sources can be swept alone, before and after');
    }
  }
  if (sources.length > 0)
    notes.push('∂sources′/∂sources: M rows: swept once forward, and once a shard backward');
  return [...aligned(table), '', ...notes.flatMap((note) => wrapped(note))];
}

function formulasText({ formulas }: Explanation): readonly string[] {
  return formulas.flatMap((s, n) => [...(n === 0 ? [] : ['']), ...wrapped(s.title), ...equations(s.lines)]);
}

/** One equation a line, at the same equals sign; a long right-hand side goes on below itself, at an operator. */
function equations(lines: FormulaSection['lines']): readonly string[] {
  const width = Math.max(...lines.map((l) => symbols(l.name)));
  return lines.flatMap(({ name, text }) => {
    const left = `  ${name}${' '.repeat(width - symbols(name))} = `;
    const indent = ' '.repeat(width + 5);
    const [first = '', ...rest] = brokenFormula(text, columns - 2 - width - 7);
    return [left + first, ...rest.map((line) => `${indent}  ${line}`)];
  });
}

/** Columns a text takes: a combining macron takes none. */
const symbols = (text: string): number => text.normalize('NFD').replace(/\p{M}/gu, '').length;

/**
 * A formula as lines of at most `width` columns. A line ends before an operator: before the outermost one that leaves it
 * no shorter than a third, before a sum rather than a product, and as late as it can.
 */
function brokenFormula(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  while (symbols(rest) > width) {
    const at = bestBreak(rest, width);
    if (at === null) break;
    lines.push(rest.slice(0, at));
    rest = rest.slice(at + 1);
  }
  return [...lines, rest];
}

const product = /^ [*/] /;
const operator = /^ [-+*/] /;

function bestBreak(text: string, width: number): number | null {
  let best: { readonly at: number; readonly rank: number } | null = null;
  for (let at = 0, depth = 0; at < Math.min(text.length, width); at++) {
    const character = text.charAt(at);
    if ('([{'.includes(character)) depth++;
    else if (')]}'.includes(character)) depth--;
    else if (character === ' ' && at > width / 3 && operator.test(text.slice(at, at + 3))) {
      const rank = 2 * depth + (product.test(text.slice(at, at + 3)) ? 1 : 0);
      if (best === null || rank <= best.rank) best = { at, rank };
    }
  }
  return best?.at ?? null;
}

function workText({ work, totals }: Explanation): readonly string[] {
  const { forwardPairs, backwardPairs } = totals;
  return [
    ...aligned([
      ['row function', '', 'passes', 'rows', 'pairs'],
      ...work.map((w) => [w.function, w.direction, grouped(w.passes), grouped(w.rows), grouped(w.pairs)]),
    ]),
    '',
    `pairs: ${grouped(forwardPairs)} forward, ${grouped(backwardPairs)} backward${
      forwardPairs > 0 ? ` (${(backwardPairs / forwardPairs).toFixed(2)} × forward)` : ''
    }`,
    ...(forwardPairs + backwardPairs < longPairs
      ? []
      : [
          `at 1 Gpair/s, about what two cores do: ${hours(forwardPairs + backwardPairs, 1e9)}; at 500, about a large GPU: ${hours(forwardPairs + backwardPairs, 5e11)}`,
        ]),
  ];
}

/** Pairs from which on a gradient is no matter of seconds on two cores. */
const longPairs = 1e11;

function hours(pairs: number, pairsPerSecond: number): string {
  const count = Number((pairs / pairsPerSecond / 3600).toPrecision(2));
  return `${count < 1000 ? count : grouped(count)} h`;
}

function memoryText({ memory, traffic, size }: Explanation): readonly string[] {
  const { threads, segmentSteps } = memory;
  const held =
    size.steps === 0
      ? 'no steps'
      : segmentSteps >= size.steps
        ? 'a block of 256 rows, all steps: grows with T, not with N'
        : `a block of 256 rows, ${counted(segmentSteps, 'step')} at once, the rest computed again`;
  const rows: [string, string, string][] = [
    ['states kept, each thread', bytesText(memory.tileBytes), held],
    ['each thread', bytesText(memory.threadBytes), 'those, Γ by levels of the tree, work areas'],
    ['shared', bytesText(memory.sharedBytes), 'the sources at every stage of every step, tables'],
    ['rows of a shard', bytesText(memory.residentBytes), 'resident'],
    ['in all', bytesText(memory.totalBytes), `with ${counted(threads, 'thread')}`],
    ['to a shard', bytesText(traffic.toShardBytes), 'Y₀, sets, θ: O(M), whatever N and T'],
    ['from a shard', bytesText(traffic.fromShardBytes), 'its part of the gradient, and sums'],
    ...(traffic.fromSourcesBytes === 0
      ? []
      : [
          ['from the sources', bytesText(traffic.fromSourcesBytes), 'the same, and saved states'] as [
            string,
            string,
            string,
          ],
        ]),
    ['traffic in all', bytesText(traffic.totalBytes), 'for one gradient'],
    ...(memory.resultBytes === 0
      ? []
      : [
          ['results', bytesText(memory.resultBytes), "the tracers' arrays that are written"] as [
            string,
            string,
            string,
          ],
        ]),
  ];
  return aligned(rows);
}

function denseText({ dense, size, totals }: Explanation): readonly string[] {
  if (dense === null) return [];
  const stagePairs = size.tracers * size.sources * size.stages * size.steps;
  const lines = [
    `a tape of every pair: ${dense.valuesPerPair} values × ${grouped(stagePairs)} pairs = ${bytesText(dense.tapeBytes)}; here: none`,
    `∂X′/∂X of one step as a dense block: ${bytesText(dense.denseBlockBytes)}; as the diagonal it is: ${bytesText(dense.diagonalBlockBytes)}; here: not stored`,
    `one pass over the pairs for each input: ${dense.passesPerInput} passes a stage; here: ${dense.passesFused} (${(dense.passesPerInput / dense.passesFused).toFixed(1)} ×)`,
    `a launch for each pass, stage and step: ${grouped(dense.launches)}; here: the time loop is inside the kernel`,
    `pairs visited: ${grouped(stagePairs * dense.passesPerInput)} by the tracers alone; here: ${grouped(totals.forwardPairs + totals.backwardPairs)} with the sources`,
  ];
  return lines.flatMap((line) => wrapped(line));
}

function kernelsText({ kernels }: Explanation): readonly string[] {
  return aligned([
    ['kernel', 'loops', 'values/row', 'values/pair', 'flops/pair'],
    ...kernels.map((k) => [
      k.name,
      `${k.loops}`,
      `${k.valuesPerRow}`,
      `${k.valuesPerPair}`,
      `${k.flopsPerPair}`,
    ]),
  ]);
}
