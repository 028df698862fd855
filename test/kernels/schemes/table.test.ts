import { describe, expect, it } from 'vitest';
import type { RungeKutta } from '../../../src/kernels/schemes/scheme.ts';
import { schemeNamed, schemeNames } from '../../../src/kernels/schemes/table.ts';

/** A rooted tree: its subtrees. Butcher's order conditions are one equation a tree. */
type Tree = readonly Tree[];

const size = (t: Tree): number => 1 + t.reduce((n, s) => n + size(s), 0);
const density = (t: Tree): number => size(t) * t.reduce((n, s) => n * density(s), 1);
const show = (t: Tree): string => `[${t.map(show).join('')}]`;

/** Rooted trees with n nodes, each shape once. */
function treesOf(n: number): readonly Tree[] {
  const forests = (nodes: number, largest: string): readonly Tree[] =>
    nodes === 0
      ? [[]]
      : Array.from({ length: nodes }, (_, k) => k + 1).flatMap((k) =>
          treesOf(k)
            .filter((t) => keyOf(t) <= largest)
            .flatMap((t) => forests(nodes - k, keyOf(t)).map((rest): Tree => [t, ...rest])),
        );
  return forests(n - 1, '~');
}
const keyOf = (t: Tree): string => `${size(t)}${show(t)}`;

/** Φ_i(t) = Π_subtrees Σ_j a_ij Φ_j(subtree), stage by stage. */
function stageWeights({ a, c }: Pick<RungeKutta, 'a' | 'c'>, t: Tree): readonly number[] {
  return c.map((_, i) =>
    t.reduce((product, s) => {
      const inner = stageWeights({ a, c }, s);
      return product * (a[i] ?? []).reduce((sum, w, j) => sum + w * inner[j]!, 0);
    }, 1),
  );
}

const dot = (x: readonly number[], y: readonly number[]): number => x.reduce((s, v, i) => s + v * y[i]!, 0);

const rungeKutta = schemeNames.map(schemeNamed).filter((s): s is RungeKutta => s.kind === 'runge-kutta');

describe('the table of schemes', () => {
  it('names every record as itself', () => {
    expect(schemeNames.map((n) => schemeNamed(n).name)).toEqual([...schemeNames]);
  });

  it('knows one rooted tree of one node, one of two, two of three, four of four and nine of five', () => {
    expect([1, 2, 3, 4, 5].map((n) => treesOf(n).length)).toEqual([1, 1, 2, 4, 9]);
  });

  for (const scheme of rungeKutta) {
    it(`${scheme.name} has abscissas that are the sums of its rows`, () => {
      for (const [s, row] of scheme.a.entries()) {
        expect(row).toHaveLength(s);
        expect(row.reduce((x, y) => x + y, 0)).toBeCloseTo(scheme.c[s]!, 13);
      }
    });

    it(`${scheme.name} satisfies every order condition up to its order, and not all of the next`, () => {
      const defect = (t: Tree): number => Math.abs(dot(scheme.b, stageWeights(scheme, t)) - 1 / density(t));
      for (let n = 1; n <= scheme.order; n++) {
        for (const t of treesOf(n)) expect(defect(t), show(t)).toBeLessThan(1e-14);
      }
      expect(Math.max(...treesOf(scheme.order + 1).map(defect))).toBeGreaterThan(1e-4);
    });
  }

  it('estimates the error of dopri5 by a solution of the order it says', () => {
    const scheme = schemeNamed('dopri5');
    if (scheme.kind !== 'runge-kutta' || scheme.embedded === null) throw new Error('dopri5 has an estimate');
    // The seventh stage is the flow at the end of the step: its row is b.
    const extended = { a: [...scheme.a, scheme.b], c: [...scheme.c, 1] };
    const { weights, order } = scheme.embedded;
    const embedded = [...scheme.b, 0].map((b, s) => b - weights[s]!);
    const defect = (t: Tree): number => Math.abs(dot(embedded, stageWeights(extended, t)) - 1 / density(t));
    for (let n = 1; n <= order; n++) {
      for (const t of treesOf(n)) expect(defect(t), show(t)).toBeLessThan(1e-14);
    }
    expect(Math.max(...treesOf(order + 1).map(defect))).toBeGreaterThan(1e-5);
  });
});
