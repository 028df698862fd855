import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './build.ts';
import { longest } from './longest-files.ts';

it('names test files that are there', () => {
  expect(longest.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
