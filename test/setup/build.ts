/** Is the built package as new as its sources? Then processes and threads of tests may start from it. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

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

/**
 * What a process of a test's own imports for a source (its path below src/), and what Node needs to be told for it: the output
 * while the package is fresh, TypeScript with a loader otherwise, which costs the process half a second.
 */
export function importable(): {
  readonly url: (path: string) => string;
  readonly execArgv: readonly string[];
} {
  const fresh = isFresh();
  return {
    url: (path) => pathToFileURL(fresh ? outputOf(join(src, path)) : join(src, path)).href,
    execArgv: fresh ? [] : ['--import', import.meta.resolve('tsx')],
  };
}

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
