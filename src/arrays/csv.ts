/** How rows of a .csv are read by range. */
import { createReadStream } from 'node:fs';
import { type Info, parse } from 'csv-parse';
import { SkewflowError } from '../errors.ts';
import { notRead, openByteFile } from './byte-file.ts';
import type { RawArray } from './source.ts';

/** Rows between two places that reading can start at. */
const checkpointRows = 4096;

/** What the file's one pass at opening finds out. */
interface Survey {
  readonly rows: number;
  readonly width: number;
  /** Byte at which row n · checkpointRows begins, or an empty line or comment before it. */
  readonly checkpoints: readonly number[];
}

/**
 * A table of numbers, separated by commas. A first line of words is a header; empty lines and lines that begin with `#` are
 * skipped.
 *
 * The file is read through once when it is opened, so that every mistake is found before any work is done; afterwards
 * ranges of rows are read from the nearest checkpoint.
 *
 * @throws InputError for a missing file, a field that is no number, and rows that disagree in length
 */
export async function openCsv(path: string, label = path): Promise<RawArray> {
  const file = await openByteFile(path, label);
  await file.close();
  const { rows, width, checkpoints } = await survey(path, label);
  const elements = async (begin: number, end: number): Promise<Float64Array> => {
    const values = new Float64Array(end - begin);
    const first = Math.floor(begin / width);
    const checkpoint = Math.floor(first / checkpointRows);
    let row = checkpoint * checkpointRows;
    if (begin === end) return values;
    for await (const { fields } of records(path, label, checkpoints[checkpoint]!)) {
      if (row * width >= end) break;
      if (row >= first) {
        for (const [column, text] of fields.entries()) {
          const at = row * width + column - begin;
          if (at >= 0 && at < values.length) values[at] = numberOf(text, row, column, label);
        }
      }
      row++;
    }
    if (row * width < end) {
      throw new SkewflowError(
        'InputError',
        `${label}: the file ended at row ${row}: it was shortened while it was read`,
      );
    }
    return values;
  };
  return { label, shape: [rows, width], elements, identity: file.identity, close: () => Promise.resolve() };
}

async function survey(path: string, label: string): Promise<Survey> {
  const checkpoints: number[] = [];
  let rows = 0;
  let width = 0;
  let next = 0;
  for await (const { fields, end } of records(path, label, 0)) {
    const header = rows === 0 && width === 0 && isHeader(fields);
    width ||= fields.length;
    if (!header) {
      for (const [column, text] of fields.entries()) numberOf(text, rows, column, label);
      if (fields.length !== width) {
        throw new SkewflowError(
          'InputError',
          `${label}: row ${rows} (from 0) has ${fields.length} columns, the rows before it ${width}`,
          {
            expected: width,
            actual: fields.length,
          },
        );
      }
      if (rows % checkpointRows === 0) checkpoints.push(next);
      rows++;
    }
    next = end;
  }
  return { rows, width: Math.max(1, width), checkpoints };
}

/** Words and no number: a line with both is a row with a mistake in it, and no row is ever left out for one. */
function isHeader(fields: readonly string[]): boolean {
  const words = fields.filter((field) => field !== '');
  return words.length > 0 && words.every((word) => !/^[+-]?\.?\d/u.test(word) && parseNumber(word) === null);
}

/** The records from byte `start` on: their fields, and the byte after each. */
async function* records(
  path: string,
  label: string,
  start: number,
): AsyncGenerator<{ fields: readonly string[]; end: number }> {
  const parser = parse({
    bom: start === 0,
    comment: '#',
    comment_no_infix: true,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
  });
  const stream = createReadStream(path, { start });
  stream.on('error', (error) => parser.destroy(error));
  try {
    for await (const { record, info } of stream.pipe(parser) as AsyncIterable<{
      record: string[];
      info: Info;
    }>) {
      yield { fields: record, end: start + info.bytes };
    }
  } catch (cause) {
    if (cause instanceof SkewflowError) throw cause;
    throw notRead(label, cause, 'not a readable .csv: ');
  } finally {
    stream.destroy();
  }
}

function numberOf(text: string, row: number, column: number, label: string): number {
  const value = parseNumber(text);
  if (value !== null) return value;
  const what = text === '' ? 'empty' : `\`${text.length > 40 ? `${text.slice(0, 40)}…` : text}\``;
  const separator = /[;\t ]/u.test(text) ? ': columns are separated by commas' : '';
  throw new SkewflowError(
    'InputError',
    `${label}: row ${row}, column ${column} (from 0) is ${what}, not a number${separator}`,
    {
      row,
      column,
    },
  );
}

/** A decimal number, or nan and inf as programs write them; null for anything else. */
function parseNumber(text: string): number | null {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/iu.test(text)) return Number(text);
  if (/^[+-]?nan$/iu.test(text)) return Number.NaN;
  const infinite = /^([+-]?)inf(inity)?$/iu.exec(text);
  if (infinite === null) return null;
  return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}
