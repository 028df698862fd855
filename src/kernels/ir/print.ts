/**
 * How a formula reads: text for `explain` and messages, in the notation of job files with Σ_j (…) for reductions.
 *
 *   -2 / sigma^2 * Σ_j (dot(κ, p[j]) * exp(-sqdist(x, q[j]) / sigma^2) * (x - q[j]))
 */
import type { Notation } from '../ops/op.ts';
import { opNamed } from '../ops/table.ts';
import { type Expr, type Leaf, type Loop, now, type Reduce } from './expr.ts';
import { memoised } from './walk.ts';

export interface PrintOptions {
  /** Name of ∂ℓ/∂(output); `κ_slope` by default. */
  readonly cotangent?: (output: string) => string;
  /** Name of a term's sum over tracers; `S_0`, `S_1`, … by default. */
  readonly sum?: (index: number) => string;
  /** Letter of the own row: `i` for tracers (the default), `j` for sources, whose partners are then k, l, … */
  readonly own?: 'i' | 'j';
  /** A name that is written in place of a value; null to write it out. */
  readonly named?: (e: Expr) => string | null;
}

/** Longest text of one value; a longer one is cut to `…`, because a shared graph can be exponentially long as text. */
const lengthMax = 20_000;

/** How tightly a text holds together, loosest first. */
const strength = { comparison: 1, sum: 2, sign: 3, product: 4, power: 5, atom: 6 } as const;
type Strength = (typeof strength)[keyof typeof strength];

interface Text {
  readonly text: string;
  readonly strength: Strength;
}

/** The formula as text. */
export function print(e: Expr, options: PrintOptions = {}): string {
  return printer(options)(e);
}

/** A printer that remembers what it has printed: for several formulas with common parts. */
export function printer(options: PrintOptions = {}): (e: Expr) => string {
  const names: Names = {
    cotangent: options.cotangent ?? ((output) => `κ_${output}`),
    own: options.own ?? 'i',
    sum: options.sum ?? ((index) => `S_${index}`),
  };
  const powers = memoised(powerOf);

  const textOf = memoised<Text>((e, of) => {
    const name = options.named?.(e) ?? null;
    if (name !== null) return atom(name);
    const { text, strength } = written(e, of);
    return text.length <= lengthMax ? { text, strength } : atom('…');
  });

  const written = (e: Expr, of: (operand: Expr) => Text): Text => {
    switch (e.kind) {
      case 'apply': {
        const { base, exponent } = powers(e);
        if (exponent > 1)
          return { text: `${atLeast(of(base), strength.atom)}^${exponent}`, strength: strength.power };
        return e.op === 'neg'
          ? negated(e.args[0]!, of)
          : operation(e.op, opNamed(e.op).notation, e.args.map(of));
      }
      case 'concat':
        return called('concat', e.args.map(of));
      case 'constant':
        return number(e.value);
      case 'input':
        return atom(leafText(e.leaf, names));
      case 'part':
        return e.width === 1
          ? called('elem', [of(e.arg), number(e.start)])
          : called('slice', [of(e.arg), number(e.start), number(e.width)]);
      case 'reduce':
        return reduction(e, of, names);
      case 'total':
        return total(e.arg, of);
    }
  };
  return (e) => textOf(e).text;
}

// --- kinds of node ----------------------------------------------------------------------------------------

function operation(name: string, notation: Notation, args: readonly Text[]): Text {
  const [a, b] = args;
  if (a !== undefined && notation.kind === 'prefix') {
    return { text: `${notation.sign}${atLeast(a, strength.product)}`, strength: strength.sign };
  }
  if (a === undefined || b === undefined || notation.kind !== 'infix') return called(name, args);
  const own = strength[notation.binds];
  const rightAssociative = notation.binds === 'power';
  // a + (b − c) and a · (b / c) need no parentheses; a − (b − c) and a / (b · c) do.
  const open = rightAssociative || notation.sign === '+' || notation.sign === '*';
  // A leading sign says the same in front of a product.
  const leftmost = own === strength.product ? strength.sign : own;
  const left = atLeast(a, rightAssociative || own === strength.comparison ? next(own) : leftmost);
  const right = open ? atLeast(b, own) : atLeast(b, next(own));
  // a · (1 / b) is a / b.
  if (notation.sign === '*' && right.startsWith('1 / '))
    return { text: `${left}${right.slice(1)}`, strength: own };
  const between = rightAssociative ? notation.sign : ` ${notation.sign} `;
  return { text: `${left}${between}${right.startsWith('-') ? `(${right})` : right}`, strength: own };
}

/** −(a + b) reads better as −a − b. */
function negated(arg: Expr, of: (operand: Expr) => Text): Text {
  const minus = (t: Text): Text => operation('neg', opNamed('neg').notation, [t]);
  const [a, b] = arg.kind === 'apply' && arg.op === 'add' ? arg.args : [];
  if (a === undefined || b === undefined) return minus(of(arg));
  return operation('sub', opNamed('sub').notation, [minus(of(a)), of(b)]);
}

function reduction(e: Reduce, of: (operand: Expr) => Text, names: Names): Text {
  const row = letterOf(e.loop, names.own);
  const letter = e.loop.over === 'sources' ? row : `${row} in ${e.loop.over}`;
  const condition = e.where === null ? '' : of(e.where).text;
  // `j != i` says which row it binds; any other condition stands behind it.
  const index =
    condition === '' ? letter : condition.startsWith(`${letter} `) ? condition : `${letter}: ${condition}`;
  const name = e.by === 'sum' ? 'Σ' : e.by;
  return atom(`${name}_${index.length === 1 ? index : `{${index}}`} (${of(e.body).text})`);
}

/** dot(a, b), sqnorm(a) and sqdist(a, b) where they are meant. */
function total(arg: Expr, of: (operand: Expr) => Text): Text {
  const [a, b] = arg.kind === 'apply' && arg.op === 'mul' ? arg.args : [];
  if (a === undefined || b === undefined || a.width !== b.width) return called('sum', [of(arg)]);
  if (a !== b) return called('dot', [of(a), of(b)]);
  return a.kind === 'apply' && a.op === 'sub' ? called('sqdist', a.args.map(of)) : called('sqnorm', [of(a)]);
}

interface Power {
  readonly base: Expr;
  readonly exponent: number;
}

/** x·x·x as x³: job files write whole powers so, and the checker expands them. */
function powerOf(e: Expr, of: (operand: Expr) => Power): Power {
  const [a, b] = e.kind === 'apply' && e.op === 'mul' ? e.args : [];
  if (a === undefined || b === undefined) return { base: e, exponent: 1 };
  const [p, q] = [of(a), of(b)];
  const same = p.base === q.base && p.base.kind !== 'constant';
  return same ? { base: p.base, exponent: p.exponent + q.exponent } : { base: e, exponent: 1 };
}

/** What a printer calls things. */
interface Names {
  readonly cotangent: (output: string) => string;
  readonly own: 'i' | 'j';
  readonly sum: (index: number) => string;
}

function leafText(leaf: Leaf, { cotangent, own, sum }: Names): string {
  const field = (name: string, at: string): string => (at === now ? name : `${name}@${at}`);
  switch (leaf.role) {
    case 'cotangent':
      return cotangent(leaf.name);
    case 'index':
      return leaf.loop === null ? own : letterOf(leaf.loop, own);
    case 'own':
      return field(leaf.field, leaf.at);
    case 'pair':
      return `${leaf.field}[${letterOf(leaf.loop, own)}]`;
    case 'param':
      return leaf.field;
    case 'row':
      return `${field(leaf.field, leaf.at)}[${letterOf(leaf.loop, own)}]`;
    case 'sum':
      return sum(leaf.index);
    case 'time':
      return 't';
  }
}

/** The letter of a bound row: the letters after that of the own row (j, k, l, … or k, l, m, …), then n1, n2, … */
export function letterOf(loop: Loop, own: 'i' | 'j' = 'i'): string {
  const place = loop.depth + (own === 'i' ? 0 : 1);
  return 'jklmn'[place] ?? `n${place - 4}`;
}

// --- texts ------------------------------------------------------------------------------------------------

function atom(text: string): Text {
  return { text, strength: strength.atom };
}

function called(name: string, args: readonly Text[]): Text {
  return atom(`${name}(${args.map((a) => a.text).join(', ')})`);
}

/** Constants computed at compile time carry seventeen digits; nine say enough. */
function number(value: number): Text {
  const short = String(Number(value.toPrecision(9)));
  return { text: short, strength: value < 0 || Object.is(value, -0) ? strength.sign : strength.atom };
}

/** The text, in parentheses where it holds together less tightly than it must. */
function atLeast({ text, strength: own }: Text, needed: number): string {
  return own >= needed ? text : `(${text})`;
}

function next(own: Strength): number {
  return own + 1;
}
