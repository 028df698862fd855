import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { src } from './build.ts';
import { asCompiled } from './compiled-entries.ts';

describe('a source that starts a thread or a process', () => {
  it.each([
    ['coordinator/aside.ts', 'aside-thread'],
    ['worker/child/process.ts', 'host'],
    ['worker/engine/dawn/adapters.ts', 'probe'],
    ['worker/engine/wasm/crew.ts', 'thread'],
  ])('%s starts %s of the built package', (name, entry) => {
    const path = join(src, name);
    const code = asCompiled(readFileSync(path, 'utf8'), path);
    const [, url = ''] = /endsWith\('\.ts'\)/.test(code ?? '')
      ? (/"(file:[^"]+)"/.exec(code ?? '') ?? [])
      : [];
    expect(code).toContain(`new URL('./${entry}.js', ${JSON.stringify(url)})`);
    expect(existsSync(fileURLToPath(new URL(`./${entry}.ts`, url.replace('/dist/', '/src/'))))).toBe(true);
  });
});
