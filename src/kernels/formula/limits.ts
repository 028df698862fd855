/** How large a formula may be: beyond these a job is refused with a message, whatever the input. */
export const limits = {
  /** Characters of one formula. */
  textLength: 4096,
  /** Parentheses, calls, signs and exponents inside one another in one formula. */
  nesting: 100,
  /** The same with every `let` expanded; keeps the checker's recursion far from the end of the stack. */
  expandedNesting: 300,
  /** Distinct nodes of the shared graph. */
  nodes: 2000,
  /** Syntax nodes visited while `let` entries are expanded (a shared expansion is visited once). */
  visits: 12_000,
  /** Reductions inside one another. */
  loops: 4,
  /** Components of a vector. */
  width: 4096,
} as const;
