/** What identifies a job: everything that reaches its numbers, and nothing else. */
import { createHash } from 'node:crypto';
import type { JobDocument } from './document.ts';
import type { NamedArray } from './inputs.ts';
import type { Job } from './job.ts';
import type { JobForm } from './schema.ts';

/** Raised whenever the same job would give other numbers, or the text below changes. */
const digestVersion = 1;

/**
 * SHA-256 of the job's canonical text, in hex: formulas as written, arrays by content, settings with their defaults. The
 * name, the output and where files lie are left out: they do not reach the numbers.
 */
export function digestOf(
  document: JobDocument,
  form: JobForm,
  arrays: readonly NamedArray[],
  settings: Pick<Job, 'integrate' | 'memoryBytes' | 'optimize' | 'precision' | 'shards' | 'system'>,
): string {
  const { system, integrate, optimize, shards, precision, memoryBytes } = settings;
  const formulas = (section: 'flow' | 'let' | 'values'): readonly (readonly [string, string])[] =>
    Object.keys(form[section] ?? {}).map((key) => [key, document.formula([section, key]).text.trim()]);
  const text = canonical({
    digestVersion,
    arrays: arrays.map(({ name, path, source }) => ({
      name,
      group: path.slice(0, -1),
      rows: source.rows,
      width: source.width,
      identity: source.identity,
    })),
    let: formulas('let'),
    flow: formulas('flow'),
    values: formulas('values'),
    terms: system.terms.map((term) => ({ text: term.text.trim(), at: term.at, with: term.with })),
    interval: [system.scheme, system.from, system.to],
    integrate,
    gradient: system.gradient,
    optimize: optimize && { ...optimize, bounds: [...optimize.bounds], fixed: [...optimize.fixed] },
    shards,
    precision,
    memoryBytes,
  });
  return createHash('sha256').update(text).digest('hex');
}

/** JSON with sorted keys; an infinite bound is a word, as JSON has none. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'number' && !Number.isFinite(item)) return String(item);
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
