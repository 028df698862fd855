/** Is the built package as new as its sources? Then processes and threads of tests may start from it. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));
export const src = join(root, 'src');

/** What the compiler makes of a source. */
export function outputOf(source: string): string {
  return join(root, 'dist', source.slice(src.length)).replace(/\.ts$/, '.js');
}

/** Whether every source has an output that is newer: the compiler writes all of them, also when it finds errors. */
export function isFresh(): boolean {
  const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .map((name) => join(src, name));
  return sources.every((source) => modified(outputOf(source)) > modified(source));
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
