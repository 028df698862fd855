/**
 * How the backward step follows from the forward step: the transpose of a straight line, statement by statement.
 *
 * The forward step is in single assignment: every component of a bank is written once, before it is read. A
 * statement y = Σ c·x turns into x̄ += c·ȳ, a flow K = F(Z) into Z̄ += F_Zᵀ K̄, in reverse order. Contributions to the
 * same components wait until they are needed and are then gathered into one combine; a cotangent that is a single
 * bank unchanged is not copied. No use is made of what a scheme is.
 */
import { invariant } from '../../errors.ts';
import type { CombineStatement, Statement } from './program.ts';

/** coefficient · h^power · bank, for the components from `start` on of the bank contributed to. */
interface Contribution {
  readonly start: number;
  readonly width: number;
  readonly coefficient: number;
  readonly power: 0 | 1;
  readonly source: { readonly bank: string; readonly start: number };
}

/** Components [start, start + width) of a cotangent live in `source`, or are 0 (null). */
interface Piece {
  readonly start: number;
  readonly width: number;
  readonly source: { readonly bank: string; readonly start: number } | null;
}

/**
 * The statements that turn λ = ∂L/∂z' into λ = ∂L/∂z, in place.
 *
 * Cotangents: `κ<s>` of slope<s>, `ζ<s>` what the flow's transpose leaves for slot<s>, `<bank>~` of any other bank
 * that several things contribute to. A combine without terms makes zeros.
 */
export function transpose(forward: readonly Statement[], width: number): readonly Statement[] {
  const backward: Statement[] = [];
  const pending = new Map<string, Contribution[]>();
  pending.set("z'", [{ start: 0, width, coefficient: 1, power: 0, source: { bank: 'λ', start: 0 } }]);

  const contribute = (bank: string, c: Contribution): void => {
    pending.set(bank, [...(pending.get(bank) ?? []), c]);
  };

  /** The cotangent of components [start, start + width) of a bank, gathered. Single assignment: this happens once. */
  const gather = (bank: string, start: number, count: number): readonly Piece[] =>
    segments(pending.get(bank) ?? [], start, count).map((s): Piece => {
      const [only] = s.terms;
      if (only === undefined) return { start: s.start, width: s.width, source: null };
      if (s.terms.length === 1 && only.coefficient === 1 && only.power === 0) {
        return { start: s.start, width: s.width, source: { bank: only.bank, start: only.start } };
      }
      const target = { bank: `${bank}~`, start: s.start, width: s.width };
      backward.push({ kind: 'combine', target, terms: s.terms });
      return { start: s.start, width: s.width, source: { bank: target.bank, start: s.start } };
    });

  for (const statement of [...forward].reverse()) {
    switch (statement.kind) {
      case 'combine': {
        const { target, terms } = statement;
        for (const piece of gather(target.bank, target.start, target.width)) {
          if (piece.source === null) continue;
          for (const t of terms) {
            contribute(t.bank, {
              start: t.start + piece.start - target.start,
              width: piece.width,
              coefficient: t.coefficient,
              power: t.power,
              source: piece.source,
            });
          }
        }
        break;
      }
      case 'flow': {
        const { slot, fraction, slope } = statement;
        const cotangent = `κ${slot}`;
        for (const s of segments(pending.get(slope) ?? [], 0, width)) {
          backward.push({
            kind: 'combine',
            target: { bank: cotangent, start: s.start, width: s.width },
            terms: s.terms,
          });
        }
        const result = `ζ${slot}`;
        backward.push({ kind: 'flow-vjp', slot, fraction, cotangent, result });
        contribute(`slot${slot}`, {
          start: 0,
          width,
          coefficient: 1,
          power: 0,
          source: { bank: result, start: 0 },
        });
        break;
      }
      case 'flow-vjp':
        invariant(false, 'a forward step holds no transposed flow');
    }
  }
  return [...backward, ...intoPlace(segments(pending.get('z') ?? [], 0, width))];
}

interface Segment {
  readonly start: number;
  readonly width: number;
  readonly terms: CombineStatement['terms'];
}

/** [start, start + count) cut wherever a contribution begins or ends, with what is added to each part. */
function segments(all: readonly Contribution[], start: number, count: number): readonly Segment[] {
  const end = start + count;
  const here = all.filter((c) => c.start < end && c.start + c.width > start);
  const inside = here.flatMap((c) => [c.start, c.start + c.width]).filter((x) => x > start && x < end);
  const cuts = [...new Set([start, ...inside, end])].sort((x, y) => x - y);
  return cuts.slice(0, -1).map((from, i): Segment => {
    const to = cuts[i + 1] ?? end;
    const terms = here
      .filter((c) => c.start <= from && c.start + c.width >= to)
      .map((c) => ({
        coefficient: c.coefficient,
        power: c.power,
        bank: c.source.bank,
        start: c.source.start + from - c.start,
      }));
    return { start: from, width: to - from, terms: merged(terms) };
  });
}

/** Terms that read the same components with the same power of h are one term. */
function merged(terms: CombineStatement['terms']): CombineStatement['terms'] {
  const byPlace = new Map<string, CombineStatement['terms'][number]>();
  for (const t of terms) {
    const key = `${t.bank} ${t.start} ${t.power}`;
    byPlace.set(key, { ...t, coefficient: t.coefficient + (byPlace.get(key)?.coefficient ?? 0) });
  }
  return [...byPlace.values()];
}

/**
 * The last combine writes λ over itself. That is safe where every component reads λ at its own place only, which
 * holds for every scheme here: a step is the identity plus multiples of h.
 */
function intoPlace(parts: readonly Segment[]): readonly Statement[] {
  for (const p of parts) {
    invariant(
      p.terms.every((t) => t.bank !== 'λ' || t.start === p.start),
      'λ is read at the components it is written to',
    );
  }
  return parts
    .filter((p) => !isItself(p))
    .map((p) => ({
      kind: 'combine',
      target: { bank: 'λ', start: p.start, width: p.width },
      terms: p.terms,
    }));
}

function isItself(p: Segment): boolean {
  const [only] = p.terms;
  return p.terms.length === 1 && only?.bank === 'λ' && only.coefficient === 1 && only.power === 0;
}
