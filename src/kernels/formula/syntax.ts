/** What a formula says, before its names mean anything: the syntax tree, with the place of every node in the text. */

/** Characters [start, end) of the formula's text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Syntax = BinarySyntax | CallSyntax | NameSyntax | NegateSyntax | NumberSyntax | ReductionSyntax;

interface Node {
  readonly span: Span;
}

/** `a + b`, `a <= b`, `a ^ b`. */
export interface BinarySyntax extends Node {
  readonly kind: 'binary';
  readonly operator: BinaryOperator;
  /** The operator alone: where a disagreement of widths is shown. */
  readonly operatorSpan: Span;
  readonly left: Syntax;
  readonly right: Syntax;
}

export type BinaryOperator = '!=' | '*' | '+' | '-' | '/' | '<' | '<=' | '==' | '>' | '>=' | '^';

/** `exp(x)`. */
export interface CallSyntax extends Node {
  readonly kind: 'call';
  readonly name: string;
  readonly nameSpan: Span;
  readonly args: readonly Syntax[];
}

/** `x`, `q[j]`, `x@start`, `q[j]@0.5`. */
export interface NameSyntax extends Node {
  readonly kind: 'name';
  readonly name: string;
  readonly nameSpan: Span;
  readonly index: string | null;
  /** Normalised: `0.50` and `5e-1` are `0.5`. */
  readonly at: string | null;
}

/** `-a`. */
export interface NegateSyntax extends Node {
  readonly kind: 'negate';
  readonly arg: Syntax;
}

/** A double; never negative. */
export interface NumberSyntax extends Node {
  readonly kind: 'number';
  readonly value: number;
}

/** `sum(j, a)`, `sum(k != j, a)`, `softmax(j in target, a, b)`. */
export interface ReductionSyntax extends Node {
  readonly kind: 'reduction';
  readonly name: string;
  readonly nameSpan: Span;
  readonly index: string;
  /** The bound row left out: `j` in `sum(k != j, …)`. */
  readonly except: string | null;
  readonly over: string | null;
  /** `k != j in target` alone. */
  readonly headSpan: Span;
  readonly args: readonly Syntax[];
}

/** How tightly an operator binds; `^` alone associates to the right, and unary minus stands between `*` and `^`. */
export const bindingStrength: Readonly<Record<BinaryOperator, number>> = {
  '<': 1,
  '<=': 1,
  '>': 1,
  '>=': 1,
  '==': 1,
  '!=': 1,
  '+': 2,
  '-': 2,
  '*': 3,
  '/': 3,
  '^': 5,
};
export const negateStrength = 4;
export const comparisonStrength = 1;

/** The names of indices, in the order people use them; `i` is the tracers'. */
export const indexNames: readonly string[] = ['i', 'j', 'k'];

/** The functions that reduce over rows when an index comes first. */
export const reductionNames = ['sum', 'mean', 'min', 'max', 'logsumexp', 'softmax'] as const;
export type ReductionName = (typeof reductionNames)[number];

export function isReductionName(name: string): name is ReductionName {
  return (reductionNames as readonly string[]).includes(name);
}

/** Whether `text` is a name of the language: a letter or `_`, then letters, digits and `_`. */
export function isIdentifier(text: string): boolean {
  return /^[\p{L}_][\p{L}\p{M}\p{Nd}_]*$/u.test(text);
}
