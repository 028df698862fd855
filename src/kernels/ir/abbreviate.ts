/** How several formulas read together: what they share and what is long gets a name and is written once. */
import { type Expr, type Loop, operands } from './expr.ts';
import { letterOf, type PrintOptions, printer } from './print.ts';
import { freeLoops, postorder } from './walk.ts';

export interface Abbreviated {
  /** In an order in which each uses earlier ones only. A name under a reduction carries its row: `E1[j]`. */
  readonly definitions: readonly { readonly name: string; readonly text: string }[];
  /** One text a value. */
  readonly texts: readonly string[];
}

/** Shorter texts are written out wherever they stand. */
const lengthMin = 24;

/**
 * The values as text, with names E1, E2, … (R1, R2, … for reductions) for what stands at two places or more.
 *
 * @param taken - whether a name means something else already, such as a field
 */
export function abbreviate(
  values: readonly Expr[],
  options: PrintOptions = {},
  taken: (name: string) => boolean = () => false,
): Abbreviated {
  const places = placesOf(values);
  const names = new Map<Expr, string>();
  const text = printer({ ...options, named: (e) => names.get(e) ?? null });
  const counters = { E: 0, R: 0 };

  const fresh = (e: Expr): string => {
    const letter = e.kind === 'reduce' ? 'R' : 'E';
    for (;;) {
      const name = `${letter}${++counters[letter]}`;
      if (!taken(name)) return name + rowsOf(e, options.own ?? 'i');
    }
  };

  const definitions: { name: string; text: string }[] = [];
  for (const e of postorder(...values)) {
    if ((places.get(e) ?? 0) < 2 || e.kind === 'input' || e.kind === 'constant') continue;
    // A printer of its own: the one above remembers texts, and must meet the value after it has its name.
    const written = printer({ ...options, named: (node) => names.get(node) ?? null })(e);
    if (written.length < lengthMin) continue;
    const name = fresh(e);
    names.set(e, name);
    definitions.push({ name, text: written });
  }
  const texts = values.map(text);
  return { definitions: withoutUnused(definitions, texts), texts };
}

/** At how many places each node stands: under different users, or as a value itself. */
function placesOf(values: readonly Expr[]): ReadonlyMap<Expr, number> {
  const places = new Map<Expr, number>();
  const count = (e: Expr): Map<Expr, number> => places.set(e, (places.get(e) ?? 0) + 1);
  for (const value of values) count(value);
  for (const e of postorder(...values)) for (const operand of new Set(operands(e))) count(operand);
  return places;
}

/** `[j]`, `[j, k]`: the bound rows a value depends on. */
function rowsOf(e: Expr, own: 'i' | 'j'): string {
  const letters = [...freeLoops(e)].map((key) => letterOf(loopOf(key), own)).sort();
  return letters.length === 0 ? '' : `[${letters.join(', ')}]`;
}

/** The loop of a `loopKey`. */
function loopOf(key: string): Loop {
  const hash = key.lastIndexOf('#');
  return { over: key.slice(0, hash), depth: Number(key.slice(hash + 1)) };
}

/** Definitions whose name is written somewhere: `dot(a, b)` is printed without the product it is the sum of. */
function withoutUnused(
  definitions: readonly { readonly name: string; readonly text: string }[],
  texts: readonly string[],
): Abbreviated['definitions'] {
  const used: { readonly name: string; readonly text: string }[] = [];
  for (const definition of definitions.toReversed()) {
    const [symbol = ''] = definition.name.split('[');
    const mentions = new RegExp(`\\b${symbol}\\b`);
    if ([...texts, ...used.map((u) => u.text)].some((text) => mentions.test(text))) used.unshift(definition);
  }
  return used;
}
