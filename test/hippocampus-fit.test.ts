/**
 * A real fit beside dense float64 PyTorch of the same formulas; `hippocampus-fit/from-torch.py` made the numbers.
 *
 * Sequences are run in single precision, which a fit is; that double precision has PyTorch's digits is seen at one point.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openNpy } from '../src/arrays/npy.ts';
import { elementCount } from '../src/arrays/source.ts';
import { run } from '../src/index.ts';
import { data, hippocampusFit } from './hippocampus-fit/job.ts';

const folder = join(import.meta.dirname, 'hippocampus-fit');
const present = existsSync(join(data, 'control_points.npy'));

interface Losses {
  readonly gradientDescent: { readonly rate: number; readonly losses: readonly number[] };
  /** At the iterates of our own L-BFGS in double precision. */
  readonly lbfgs: { readonly losses: readonly number[] };
  /** Of SciPy's L-BFGS-B on PyTorch's loss and gradient. */
  readonly scipy: { readonly losses: readonly number[] };
}

const torch = JSON.parse(readFileSync(join(folder, 'losses.json'), 'utf8')) as Losses;

/** The largest relative distance of two sequences. */
const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((value, k) => Math.abs(value / b[k]! - 1)));

describe.skipIf(!present)(`the fit of a real surface (skipped where ${data} is absent)`, () => {
  test('gradient descent has PyTorch’s loss sequence over 20 iterations', async () => {
    const { rate, losses } = torch.gradientDescent;
    const { history } = await run(hippocampusFit('f32', { over: ['p'], method: 'gd', rate, iterations: 20 }));
    expect(history.length).toBe(21);
    expect(
      apart(
        history.map(({ loss }) => loss),
        losses,
      ),
    ).toBeLessThan(1e-5);
  });

  test('loss and gradient at the tenth iterate of L-BFGS are PyTorch’s', async () => {
    const job = hippocampusFit('f64');
    const q = join(data, 'control_points.npy');
    const { loss, gradient } = await run({ ...job, sources: { q, p: join(folder, 'iterate.npy') } });
    const exact = await numbersIn(join(folder, 'gradient.npy'));
    const error = Math.hypot(...gradient['p']!.data.map((g, n) => g - exact[n]!)) / Math.hypot(...exact);
    expect(apart([loss!], [torch.lbfgs.losses[10]!])).toBeLessThan(1e-10);
    expect(error).toBeLessThan(1e-9);
  });

  test('L-BFGS in single precision has the losses of its iterates in double, and gets as low as SciPy', async () => {
    const job = hippocampusFit('f32', { over: ['p'], iterations: 20 });
    const { history } = await run(job);
    const losses = history.map(({ loss }) => loss);
    expect(apart(losses, torch.lbfgs.losses)).toBeLessThan(1e-5);
    const gained = (last: number): number => losses[0]! - last;
    expect(gained(losses[20]!)).toBeGreaterThan(0.999 * gained(torch.scipy.losses.at(-1)!));
  });
});

async function numbersIn(path: string): Promise<Float64Array> {
  const array = await openNpy(path);
  try {
    return Float64Array.from(await array.elements(0, elementCount(array.shape)));
  } finally {
    await array.close();
  }
}
