/** How numbers and tables are written for people. */

/** 1234567 → 1 234 567. */
export function grouped(n: number): string {
  return Math.abs(n) < 1e15
    ? String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, '\u202f')
    : n.toExponential(3);
}

/** `1 shard`, `4 shards`. */
export function counted(n: number, noun: string): string {
  return `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;
}

/** Columns padded to their widest cell; the last is left as it is. */
export function aligned(table: readonly (readonly string[])[]): readonly string[] {
  const widths: number[] = [];
  for (const row of table) {
    for (const [c, cell] of row.entries()) widths[c] = Math.max(widths[c] ?? 0, cell.length);
  }
  return table.map((row) =>
    row
      .map((cell, c) => (c === row.length - 1 ? cell : cell.padEnd(widths[c] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** Columns of a line. */
export const columns = 100;

/**
 * A text as lines of at most `width` columns, broken at blanks; further lines are indented by `indent`.
 *
 * A word that is longer than a line keeps a line of its own.
 */
export function wrapped(text: string, width = columns - 2, indent = '  '): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= width || line === '') line = longer;
    else {
      lines.push(line);
      line = indent + word;
    }
  }
  return [...lines, line];
}
