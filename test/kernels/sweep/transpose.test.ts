import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { schemeNamed, schemeNames } from '../../../src/kernels/schemes/table.ts';
import type { Statement, StepProgram } from '../../../src/kernels/sweep/program.ts';
import { type Drift, stepProgram } from '../../../src/kernels/sweep/step.ts';

/** One position and one velocity of width 2, and for the leapfrog a second position that shares it. */
const width = 6;
const drifts: readonly Drift[] = [
  { position: 0, velocity: 4, width: 2 },
  { position: 2, velocity: 4, width: 2 },
];

/** Runs a straight line over one row; flows are given matrices, one a slot. */
function run(
  statements: readonly Statement[],
  h: number,
  start: Readonly<Record<string, readonly number[]>>,
  matrices: readonly (readonly number[])[],
): (bank: string) => readonly number[] {
  const banks = new Map<string, number[]>(Object.entries(start).map(([k, v]) => [k, [...v]]));
  const bank = (name: string): number[] => {
    const known = banks.get(name) ?? Array.from({ length: width }, () => 0);
    banks.set(name, known);
    return known;
  };
  for (const s of statements) {
    if (s.kind === 'combine') {
      for (let c = 0; c < s.target.width; c++) {
        bank(s.target.bank)[s.target.start + c] = s.terms.reduce(
          (sum, t) => sum + t.coefficient * h ** t.power * bank(t.bank)[t.start + c]!,
          0,
        );
      }
      continue;
    }
    const m = matrices[s.slot]!;
    const [from, to, at] =
      s.kind === 'flow'
        ? [bank(`slot${s.slot}`), bank(s.slope), (i: number, j: number) => m[i * width + j]!]
        : [bank(s.cotangent), bank(s.result), (i: number, j: number) => m[j * width + i]!];
    for (let i = 0; i < width; i++) to[i] = from.reduce((sum, v, j) => sum + at(i, j) * v, 0);
  }
  return bank;
}

const number = fc.double({ min: -2, max: 2, noNaN: true });
const vector = fc.array(number, { minLength: width, maxLength: width });

describe('the backward step', () => {
  for (const name of schemeNames) {
    const step: StepProgram = stepProgram(schemeNamed(name), width, drifts);

    it(`of ${name} is the transpose of the forward step: ⟨λ, J z⟩ = ⟨Jᵀ λ, z⟩`, () => {
      const flows = fc.array(fc.array(number, { minLength: width ** 2, maxLength: width ** 2 }), {
        minLength: step.slots,
        maxLength: step.slots,
      });
      fc.assert(
        fc.property(vector, vector, flows, fc.double({ min: 0.01, max: 1, noNaN: true }), (z, λ, m, h) => {
          const after = run(step.forward, h, { z }, m)("z'");
          const before = run(step.backward, h, { λ }, m)('λ');
          const [left, right] = [after, z].map((v, n) =>
            v.reduce((sum, x, i) => sum + x * (n === 0 ? λ : before)[i]!, 0),
          );
          // A step may cancel nearly all of what it starts from, with the error of what it starts from.
          const scale =
            (Math.hypot(...after) + Math.hypot(...z)) * (Math.hypot(...λ) + Math.hypot(...before));
          expect(Math.abs(left! - right!)).toBeLessThanOrEqual(1e-12 * (scale + 1e-200));
        }),
      );
    });

    it(`of ${name} evaluates each flow once, at the slots and times of the forward step in reverse`, () => {
      const stages = (statements: readonly Statement[]): readonly (readonly number[])[] =>
        statements.flatMap((s) => (s.kind === 'combine' ? [] : [[s.slot, s.fraction]]));
      expect(stages(step.backward)).toEqual([...stages(step.forward)].reverse());
    });

    it(`of ${name} keeps the state at the grid point in slot 0 and reads no bank before it is written`, () => {
      expect(run(step.forward, 0.5, { z: [1, 2, 3, 4, 5, 6] }, identities(step.slots))('slot0')).toEqual([
        1, 2, 3, 4, 5, 6,
      ]);
      for (const [statements, given] of [
        [step.forward, 'z'],
        [step.backward, 'λ'],
      ] as const) {
        expect(unwrittenReads(statements, given)).toEqual([]);
      }
    });
  }

  it('of Euler’s method is κ = h λ, ζ = Fᵀκ, λ = λ + ζ', () => {
    const whole = (bank: string) => ({ bank, start: 0, width: 1 });
    const term = (coefficient: number, power: number, bank: string) => ({
      coefficient,
      power,
      bank,
      start: 0,
    });
    expect(stepProgram(schemeNamed('euler'), 1, []).backward).toEqual([
      { kind: 'combine', target: whole('κ0'), terms: [term(1, 1, 'λ')] },
      { kind: 'flow-vjp', slot: 0, fraction: 0, cotangent: 'κ0', result: 'ζ0' },
      { kind: 'combine', target: whole('λ'), terms: [term(1, 0, 'λ'), term(1, 0, 'ζ0')] },
    ]);
  });
});

function identities(count: number): readonly (readonly number[])[] {
  const one = Array.from({ length: width ** 2 }, (_, n) => (n % (width + 1) === 0 ? 1 : 0));
  return Array.from({ length: count }, () => one);
}

/** Components that are read before any statement wrote them. */
function unwrittenReads(statements: readonly Statement[], given: string): readonly string[] {
  const written = new Set<string>();
  const all = (bank: string, start = 0, count = width): readonly string[] =>
    Array.from({ length: count }, (_, c) => `${bank}[${start + c}]`);
  for (const c of all(given)) written.add(c);
  return statements.flatMap((s) => {
    const reads =
      s.kind === 'combine'
        ? s.terms.flatMap((t) => all(t.bank, t.start, s.target.width))
        : all(s.kind === 'flow' ? `slot${s.slot}` : s.cotangent);
    const missing = reads.filter((c) => !written.has(c));
    const writes =
      s.kind === 'combine'
        ? all(s.target.bank, s.target.start, s.target.width)
        : all(s.kind === 'flow' ? s.slope : s.result);
    for (const c of writes) written.add(c);
    return missing;
  });
}
