import { describe, expect, it } from 'vitest';
import { vjp } from '../../../src/kernels/autodiff/vjp.ts';
import { abbreviate } from '../../../src/kernels/ir/abbreviate.ts';
import { apply, type Expr, input, type Loop, now, reduce, total } from '../../../src/kernels/ir/expr.ts';

const j: Loop = { over: 'sources', depth: 0 };
const own = (field: string, width: number): Expr => input({ role: 'own', field, at: now }, width);
const row = (field: string): Expr => input({ role: 'row', loop: j, field, at: now }, 3);
const [x, q, p, sigma] = [own('x', 3), row('q'), row('p'), input({ role: 'param', field: 'sigma' }, 1)];
const d = apply('sub', x, q);
const kernel = apply(
  'exp',
  apply('neg', apply('div', total(apply('mul', d, d)), apply('mul', sigma, sigma))),
);
const flow = reduce('sum', j, apply('mul', kernel, p));

/** The derived formulas of a Gaussian sum, as a user reads them. */
function derived(options = {}, taken?: (name: string) => boolean): readonly string[] {
  const { own: rows, scatters } = vjp(
    [{ value: flow, cotangent: input({ role: 'cotangent', name: 'slope' }, 3) }],
    () => true,
  );
  const values = [...[...rows.values()].map((r) => r.value), ...scatters.map((s) => s.value)];
  const { definitions, texts } = abbreviate(values, { cotangent: () => 'κ', ...options }, taken);
  return [...definitions.map(({ name, text }) => `${name} = ${text}`), ...texts];
}

describe('abbreviate', () => {
  it('names what several formulas share, with the row it belongs to', () => {
    expect(derived()).toEqual([
      'E1[j] = exp(-sqdist(x, q[j]) / sigma^2)',
      '-2 / sigma^2 * Σ_j (dot(κ, p[j]) * E1[j] * (x - q[j]))',
      'E1[j] * κ',
      '2 * dot(κ, p[j]) * E1[j] / sigma^2 * (x - q[j])',
    ]);
  });

  it('takes the letters after the own row', () => {
    expect(derived({ own: 'j' })[0]).toBe('E1[k] = exp(-sqdist(x, q[k]) / sigma^2)');
  });

  it('leaves names alone that mean something else', () => {
    expect(derived({}, (name) => name === 'E1')[0]).toBe('E2[j] = exp(-sqdist(x, q[j]) / sigma^2)');
  });

  it('writes out what stands once or is short', () => {
    expect(abbreviate([flow, apply('add', x, x)])).toEqual({
      definitions: [],
      texts: ['Σ_j (exp(-sqdist(x, q[j]) / sigma^2) * p[j])', 'x + x'],
    });
  });

  it('keeps exponentially long formulas readable', () => {
    let e: Expr = x;
    for (let n = 0; n < 40; n++) e = apply('sin', apply('add', apply('mul', e, sigma), apply('cos', e)));
    const { definitions, texts } = abbreviate([e]);
    expect(
      Math.max(...definitions.map((line) => line.text.length), ...texts.map((t) => t.length)),
    ).toBeLessThan(80);
  });
});
