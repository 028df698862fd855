/**
 * How many pairs a second can a card do at best? What its single-precision units allow for the Gaussian of the benchmark.
 *
 * A pair of a forward sweep in three dimensions is 9 operations and an exp2, of a fused backward sweep 19 and an exp2; a
 * gradient is both. Forward: lanes × boost clock ÷ operations a pair, from the makers' data sheets (an exp2 counts as one).
 */

interface Limit {
  readonly card: RegExp;
  readonly forward: number;
}

const limits: readonly Limit[] = [
  { card: /H100|H200/, forward: 3.3e12 },
  { card: /RTX 4090/, forward: 4.1e12 },
  { card: /A100/, forward: 1.1e12 },
  { card: /M2 Max/, forward: 0.7e12 },
];

/** Operations of a pair, exp2 included. */
const forwardOperations = 10;
const backwardOperations = 20;

/** Pairs a second of the forward sweep and of a gradient, each pair counted once; null for a card that is not listed. */
export function limitsOfCard(name: string): { readonly sums: number; readonly gradient: number } | null {
  const known = limits.find(({ card }) => card.test(name));
  if (known === undefined) return null;
  const gradient = (known.forward * forwardOperations) / (forwardOperations + backwardOperations);
  return { sums: known.forward, gradient };
}
