import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jvp } from '../../../src/kernels/autodiff/jvp.ts';
import { vjp } from '../../../src/kernels/autodiff/vjp.ts';
import {
  apply,
  constant,
  type Expr,
  input,
  type Leaf,
  type Loop,
  now,
  part,
  reduce,
  total,
} from '../../../src/kernels/ir/expr.ts';
import { print } from '../../../src/kernels/ir/print.ts';
import { evaluate, type Given } from '../evaluate.ts';
import { anyFormula, anyGiven, smoothFormula } from '../formulas.ts';
import { pairing, tangentLeaf } from './pairing.ts';

const everything = (): boolean => true;
const sum = (terms: readonly number[]): number => terms.reduce((a, b) => a + b, 0);
const size = (terms: readonly number[]): number => terms.reduce((a, b) => a + Math.abs(b), 0);

const tangent = (leaf: Leaf, width: number): Expr | null => {
  const moved = tangentLeaf(leaf);
  return moved === null ? null : input(moved, width);
};

/** u for ⟨u, ẏ⟩: fixed, of both signs. */
const cotangentOf = (output: Expr, n: number): Expr =>
  total(output).width === output.width
    ? constant(0.7 - n)
    : input({ role: 'cotangent', name: `u${n}` }, output.width);

const withCotangents = (given: Given, outputs: readonly Expr[]): Given => ({
  ...given,
  cotangents: Object.fromEntries(
    outputs.map((o, n) => [`u${n}`, Array.from({ length: o.width }, (_, c) => 0.3 + n - 0.9 * c)]),
  ),
});

/** ⟨u, JVP v⟩ and the products of ⟨VJP u, v⟩. */
function bothWays(outputs: readonly Expr[], given: Given): { forward: number; reverse: readonly number[] } {
  const all = withCotangents(given, outputs);
  const seeds = outputs.map((value, n) => ({ value, cotangent: cotangentOf(value, n) }));
  const forward = sum(
    seeds.flatMap(({ value, cotangent }) => {
      const u = evaluate(cotangent, all);
      return evaluate(jvp(value, tangent), all).map((dy, c) => dy * (u[c] ?? Number.NaN));
    }),
  );
  return { forward, reverse: pairing(vjp(seeds, everything), all) };
}

describe('reverse and forward mode', () => {
  it('give the same inner product for any formulas: ⟨VJP u, v⟩ = ⟨u, JVP v⟩', () => {
    fc.assert(
      fc.property(fc.array(anyFormula, { minLength: 1, maxLength: 3 }), anyGiven, (outputs, given) => {
        const { forward, reverse } = bothWays(outputs, given);
        fc.pre(Number.isFinite(forward) && Number.isFinite(size(reverse)));
        expect(Math.abs(sum(reverse) - forward)).toBeLessThanOrEqual(
          1e-10 * (1e-200 + size(reverse) + Math.abs(forward)),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('agree with four-point differences for any smooth formula', () => {
    fc.assert(
      fc.property(smoothFormula, anyGiven, (output, given) => {
        const { forward } = bothWays([output], given);
        const moved = (h: number): number => {
          const at = withCotangents(shifted(given, h), [output]);
          const u = evaluate(cotangentOf(output, 0), at);
          return sum(evaluate(output, at).map((y, c) => y * (u[c] ?? Number.NaN)));
        };
        const h = 1e-3;
        const near = (moved(h) - moved(-h)) / (2 * h);
        const far = (moved(2 * h) - moved(-2 * h)) / (4 * h);
        const difference = (4 * near - far) / 3;
        // The error of the formula is about a quarter of what the step of 2h changes; steep formulas say nothing.
        const trust = Math.abs(near - far);
        fc.pre(Number.isFinite(forward) && trust < 1e-4 * (1 + Math.abs(near)));
        expect(Math.abs(forward - difference)).toBeLessThanOrEqual(
          1e-7 * (1 + Math.abs(moved(0))) + 1e-2 * trust,
        );
      }),
      { numRuns: 200 },
    );
  });
});

/** Every value moved by h along its tangent. */
function shifted(given: Given, h: number): Given {
  const move = <T>(value: T, by: unknown): T => {
    if (typeof value === 'number') return (value + h * (by as number)) as T;
    if (!Array.isArray(value) || !Array.isArray(by)) throw new Error('no tangent');
    return value.map((v, n) => move(v, by[n])) as T;
  };
  const record = <T>(r: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(
      Object.entries(r).map(([name, value]) => {
        const by = r[`d${name}`];
        return [name, by === undefined ? value : move(value, by)];
      }),
    );
  const [s0 = 0, s1 = 0] = given.sums ?? [];
  return {
    ...given,
    own: record(given.own ?? {}),
    rows: Object.fromEntries(
      Object.entries(given.rows ?? {}).map(([over, fields]) => [over, record(fields)]),
    ),
    pairs: record(given.pairs ?? {}),
    params: record(given.params ?? {}),
    sums: [s0 + h * s1, s1],
  };
}

const j: Loop = { over: 'sources', depth: 0 };
const k: Loop = { over: 'sources', depth: 1 };
const x = input({ role: 'own', field: 'x', at: now }, 3);
const w = input({ role: 'row', loop: j, field: 'w', at: now }, 1);
const wk = input({ role: 'row', loop: k, field: 'w', at: now }, 1);
const u = input({ role: 'cotangent', name: 'u' }, 1);

describe('reverse mode', () => {
  it('leaves out leaves that are not wanted', () => {
    const seeds = [{ value: reduce('sum', j, apply('mul', w, total(x))), cotangent: u }];
    const { own, rowSums, scatters } = vjp(seeds, (leaf) => leaf.role === 'row');
    expect(own.size).toBe(0);
    expect(rowSums).toEqual([]);
    expect(scatters.map((s) => s.target.role)).toEqual(['row']);
  });

  it('gives nothing for what is flat, stopped or a row number', () => {
    const flat = apply('add', apply('floor', w), apply('stop', w));
    const where = apply('lt', w, constant(1));
    const value = reduce('sum', j, apply('add', flat, input({ role: 'index', loop: j }, 1)), where);
    const { own, rowSums, scatters } = vjp([{ value, cotangent: u }], everything);
    expect([own.size, rowSums.length, scatters.length]).toEqual([0, 0, 0]);
  });

  it('gives a minimum to the first winner only', () => {
    const { scatters } = vjp([{ value: reduce('min', j, w), cotangent: u }], everything);
    const given = {
      counts: { sources: 4 },
      rows: { sources: { w: [[3], [1], [1], [2]] } },
      cotangents: { u: [5] },
    };
    const [only] = scatters;
    const values = [0, 1, 2, 3].map((l) => evaluate(only!.value, given, new Map([['sources#0', l]]))[0]);
    expect(scatters).toHaveLength(1);
    expect(values).toEqual([0, 5, 0, 0]);
  });

  it('names the loops of a scatter from the outermost in', () => {
    const value = reduce('sum', j, reduce('sum', k, apply('sin', apply('mul', w, wk))));
    const { scatters } = vjp([{ value, cotangent: u }], everything);
    // w_j is summed over k before it is scattered; w_k needs both loops.
    expect(scatters.map((s) => [s.target.loop.depth, s.loops.map((l) => l.depth)])).toEqual(
      expect.arrayContaining([
        [0, [0]],
        [1, [0, 1]],
      ]),
    );
    expect(scatters).toHaveLength(2);
  });

  it('reverses two reductions over the same rows as one', () => {
    const shared = apply('sin', apply('mul', w, total(x)));
    const seeds = [
      { value: reduce('sum', j, shared), cotangent: u },
      {
        value: reduce('sum', j, apply('mul', shared, w)),
        cotangent: input({ role: 'cotangent', name: 'v' }, 1),
      },
    ];
    const { scatters } = vjp(seeds, (leaf) => leaf.role === 'row');
    expect(scatters).toHaveLength(1);
  });

  it('keeps what a loop does not change out of it', () => {
    const σ = input({ role: 'param', field: 'σ' }, 1);
    const value = reduce('sum', j, apply('exp', apply('div', w, apply('mul', σ, σ))));
    const { rowSums } = vjp([{ value, cotangent: u }], (leaf) => leaf.role === 'param');
    expect(rowSums.map((r) => print(r.value))).toEqual([
      '-2 * κ_u / σ^2 / σ^2 * Σ_j (exp(w[j] / σ^2) * w[j]) * σ',
    ]);
  });

  it('gives components nobody reads exact zeros', () => {
    const { own } = vjp([{ value: part(x, 1, 1), cotangent: u }], everything);
    const value = own.get('own x@now')?.value;
    expect(value?.kind === 'concat' && value.args.map((a) => a.kind)).toEqual([
      'constant',
      'input',
      'constant',
    ]);
  });
});
