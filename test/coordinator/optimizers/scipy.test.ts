/** Bounded minima and the work they take, beside SciPy's L-BFGS-B (`from-scipy.py` made `scipy.json`). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { functions, sumOfSquares } from './functions.ts';
import { minimise, rulesFor } from './minimise.ts';

interface Found {
  readonly title: string;
  readonly start: readonly number[];
  readonly lower: readonly number[];
  readonly upper: readonly number[];
  readonly loss: number;
  readonly point: readonly number[];
  readonly evaluations: number;
}

const { problems } = JSON.parse(readFileSync(join(import.meta.dirname, 'scipy.json'), 'utf8')) as {
  readonly problems: readonly Found[];
};

describe('L-BFGS-B', () => {
  it.each(problems)('agrees with SciPy on $title from $start.0 below $upper.0', (found) => {
    const f = functions.find(({ title }) => title === found.title)!;
    const box = { lower: Float64Array.from(found.lower), upper: Float64Array.from(found.upper) };
    const rules = rulesFor(found.start.length, { box, gradientTolerance: 1e-7 });
    const { optimum, asked, reason } = minimise(rules, found.start, (x) => sumOfSquares(f, x));
    expect(['gradient', 'precision']).toContain(reason);
    expect(Math.abs(optimum.loss - found.loss)).toBeLessThan(1e-9 + 1e-7 * found.loss);
    const tolerance = f.title.startsWith('Powell') ? 1e-2 : 1e-4;
    for (const [i, v] of found.point.entries())
      expect(Math.abs(optimum.point[i]! - v)).toBeLessThan(tolerance);
    expect(asked.length).toBeLessThan(20 + 2 * found.evaluations);
  });
});
