/**
 * What do the threads and child processes start from that sources start in tests? From the built package, which needs no loader
 * for TypeScript: that costs each of them 0.2 to 0.4 s of a processor.
 */
import { pathToFileURL } from 'node:url';
import type { Plugin } from 'vitest/config';
import { outputOf, src } from './build.ts';

/** How a source asks whether it runs as TypeScript. */
const question = "import.meta.url.endsWith('.ts')";

/** To be used while the package is fresh. */
export function compiledEntries(): Plugin {
  return {
    name: 'compiled-entries',
    enforce: 'pre',
    transform: (code, id) => (id.startsWith(src) ? asCompiled(code, id) : null),
  };
}

/** A source that takes itself for its output where it asks; null: it does not. */
export function asCompiled(code: string, path: string): string | null {
  if (!code.includes(question)) return null;
  return code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(outputOf(path)).href));
}
