/** How an explanation reads on a terminal. */
import type { Explanation } from './explain.ts';
import type { BlockKind, Jacobian } from './jacobian.ts';
import { aligned, bytesText, counted, grouped } from './text.ts';

/** The explanation as text. */
export function explainText(e: Explanation): string {
  return [
    head(e),
    section('The Jacobian of one step', jacobianText(e.jacobian)),
    section('Formulas, forward and derived', formulasText(e)),
    section('Work of one gradient', workText(e)),
    section('Memory and traffic', memoryText(e)),
    ...(e.dense === null ? [] : [section('Without the structure', denseText(e))]),
    section('Kernels', kernelsText(e)),
    ...(e.listings ?? []).map((l) => section(`${l.name} in ${l.lane}`, l.text.trimEnd().split('\n'))),
    ...(e.warnings.length === 0 ? [] : [section('Warnings', e.warnings)]),
  ].join('\n');
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
  return `${name}: ${parts.join(', ')}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return `${title}\n${lines.map((l) => (l === '' ? '' : `  ${l}`)).join('\n')}\n`;
}

const marks: Readonly<Record<BlockKind, string>> = { dense: 'dense', diagonal: 'diagonal', zero: '·' };

/** The block table, and one sentence a kind of block that is there. */
export function jacobianText({ rows, columns, kinds }: Jacobian): readonly string[] {
  if (rows.length === 0) return ['nothing evolves'];
  const groupName: Readonly<Record<string, string>> = {
    tracers: 'tracer',
    sources: 'source',
    params: 'param',
    pairs: 'pair',
  };
  const table = [
    ['', ...columns.map((c) => c.field)],
    ['', ...columns.map((c) => groupName[c.group] ?? c.group)],
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
  return [...aligned(table), '', ...notes];
}

function formulasText({ formulas }: Explanation): readonly string[] {
  return formulas.flatMap((s, n) => [
    ...(n === 0 ? [] : ['']),
    s.title,
    ...aligned(s.lines.map((l) => [`  ${l.name}`, `= ${l.text}`])),
  ]);
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
  ];
}

function memoryText({ memory, traffic }: Explanation): readonly string[] {
  return aligned([
    ['tracers’ rows, resident', bytesText(memory.residentBytes)],
    [
      'states kept, each thread',
      `${bytesText(memory.statesPerThreadBytes)}  (one block of 256 rows: grows with T, not with N)`,
    ],
    ['sources’ trajectory', bytesText(memory.sourceTrajectoryBytes)],
    ['Γ, each thread', bytesText(memory.gammaPerThreadBytes)],
    ['to a shard', `${bytesText(traffic.toShardBytes)}  (Y₀, sets, θ: O(M), whatever N and T)`],
    ['from a shard', `${bytesText(traffic.fromShardBytes)}  (the gradient and the sums)`],
    ['in all, one gradient', bytesText(traffic.totalBytes)],
  ]);
}

function denseText({ dense, size, totals }: Explanation): readonly string[] {
  if (dense === null) return [];
  const stagePairs = size.tracers * size.sources * size.stages * size.steps;
  return [
    `a tape of every pair: ${dense.valuesPerPair} values × ${grouped(stagePairs)} pairs = ${bytesText(dense.tapeBytes)}; here: none`,
    `∂X′/∂X of one step as a dense block: ${bytesText(dense.denseBlockBytes)}; as the diagonal it is: ${bytesText(dense.diagonalBlockBytes)}; here: not stored`,
    `one pass over the pairs for each input: ${dense.passesPerInput} passes a stage; here: ${dense.passesFused} (${(dense.passesPerInput / dense.passesFused).toFixed(1)} ×)`,
    `a launch for each pass, stage and step: ${grouped(dense.launches)}; here: the time loop is inside the kernel`,
    `pairs visited: ${grouped(stagePairs * dense.passesPerInput)} by the tracers alone; here: ${grouped(totals.forwardPairs + totals.backwardPairs)} with the sources`,
  ];
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
