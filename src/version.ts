/**
 * Which version is this? The one in package.json, which lies beside src/ and dist/ alike.
 */
import { readFileSync } from 'node:fs';

const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');

/**
 * The package's version.
 *
 * @example
 * version; // '0.1.0'
 */
export const version: string = (JSON.parse(text) as { readonly version: string }).version;
