import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apply, constant, type Expr, input, now } from '../../../src/kernels/ir/expr.ts';
import { type Bindings, match, type Pattern, type Variable } from '../../../src/kernels/simplify/pattern.ts';
import { rules } from '../../../src/kernels/simplify/rules.ts';
import { evaluate } from '../evaluate.ts';

const variables: Readonly<Record<Variable, readonly Expr[]>> = {
  c: [constant(-3), constant(2.5)],
  d: [constant(4), constant(-0.5)],
  s: [input({ role: 'own', field: 's', at: now }, 1)],
  t: [input({ role: 'own', field: 't', at: now }, 1)],
  v: [input({ role: 'own', field: 'v', at: now }, 3)],
  w: [input({ role: 'own', field: 'w', at: now }, 3)],
  x: [
    input({ role: 'own', field: 'v', at: now }, 3),
    input({ role: 'own', field: 's', at: now }, 1),
    constant(-7),
    product(-2),
    constant(1),
    apply('div', constant(1), input({ role: 'own', field: 't', at: now }, 1)),
  ],
  y: [
    input({ role: 'own', field: 'w', at: now }, 3),
    input({ role: 'own', field: 't', at: now }, 1),
    constant(-7),
    product(-2),
  ],
  z: [input({ role: 'own', field: 's', at: now }, 1)],
};

function product(c: number): Expr {
  return apply('mul', constant(c), input({ role: 'own', field: 'v', at: now }, 3));
}

/** The left-hand side with every choice of values for its variables. */
function instances(pattern: Pattern): readonly Expr[] {
  const names = [...new Set(mentioned(pattern))];
  const choices = names.reduce<readonly Partial<Record<Variable, Expr>>[]>(
    (rest, name) => rest.flatMap((some) => variables[name].map((e) => ({ ...some, [name]: e }))),
    [{}],
  );
  return choices.map((choice) => build(pattern, choice as Bindings));
}

function mentioned(p: Pattern): readonly Variable[] {
  return p.kind === 'variable' ? [p.name] : p.kind === 'apply' ? p.args.flatMap(mentioned) : [];
}

function build(p: Pattern, choice: Bindings): Expr {
  if (p.kind === 'number') return constant(p.value);
  return p.kind === 'variable' ? choice[p.name] : apply(p.op, ...p.args.map((a) => build(a, choice)));
}

const real = fc.double({ min: 0.1, max: 3, noNaN: true });
const vector = fc.array(real, { minLength: 3, maxLength: 3 });
const values = fc.record({ s: fc.tuple(real), t: fc.tuple(real), v: vector, w: vector });

describe('every rule is an identity', () => {
  it.each(rules.map((rule) => [rule.name, rule] as const))('%s', (_, rule) => {
    const used = instances(rule.left).flatMap((left) => {
      const bound = match(rule.left, left);
      return bound === null || !rule.when(bound) ? [] : [{ left, right: rule.right(bound) }];
    });
    expect(used.length).toBeGreaterThan(0);
    fc.assert(
      fc.property(fc.constantFrom(...used), values, ({ left, right }, own) => {
        expect(right.width).toBe(left.width);
        const [before, after] = [evaluate(left, { own }), evaluate(right, { own })];
        before.forEach((b, c) => {
          expect(Math.abs((after[c] ?? Number.NaN) - b)).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(b)));
        });
      }),
      { numRuns: 40 },
    );
  });

  it('under names that are all different', () => {
    expect(new Set(rules.map((r) => r.name)).size).toBe(rules.length);
  });
});
