/** How a syntax tree is written: the text that parses to it, with no parenthesis more than needed. */
import { bindingStrength, comparisonStrength, negateStrength, type Syntax } from './syntax.ts';

/** Text of a tree; `parse(print(s))` is `s` but for the places in the text. */
export function print(syntax: Syntax): string {
  switch (syntax.kind) {
    case 'binary':
      return printChain(syntax);
    case 'call':
      return `${syntax.name}(${syntax.args.map(print).join(', ')})`;
    case 'name': {
      const index = syntax.index === null ? '' : `[${syntax.index}]`;
      const at = syntax.at === null ? '' : `@${syntax.at}`;
      return syntax.name + index + at;
    }
    case 'negate':
      return `-${within(syntax.arg, negateStrength)}`;
    case 'number':
      return String(syntax.value);
    case 'reduction': {
      const except = syntax.except === null ? '' : ` != ${syntax.except}`;
      const over = syntax.over === null ? '' : ` in ${syntax.over}`;
      return `${syntax.name}(${[syntax.index + except + over, ...syntax.args.map(print)].join(', ')})`;
    }
  }
}

/** A chain of operators leaning to the left, without recursion along it: a long sum is thousands deep. */
function printChain(syntax: Extract<Syntax, { kind: 'binary' }>): string {
  const links: Extract<Syntax, { kind: 'binary' }>[] = [];
  let text: string;
  for (let node: Syntax = syntax; ; node = node.left) {
    if (node.kind !== 'binary') {
      text = within(node, leftStrength(links.at(-1)!));
      break;
    }
    const above = links.at(-1);
    if (above !== undefined && strengthOf(node) < leftStrength(above)) {
      text = `(${print(node)})`;
      break;
    }
    links.push(node);
  }
  for (const link of links.reverse()) {
    const spaced = link.operator === '^' ? '^' : ` ${link.operator} `;
    text += spaced + within(link.right, rightStrength(link));
  }
  return text;
}

/** The least strength an operand may have without parentheses. */
function leftStrength({ operator }: Extract<Syntax, { kind: 'binary' }>): number {
  const own = bindingStrength[operator];
  return own === comparisonStrength || operator === '^' ? own + 1 : own;
}

function rightStrength({ operator }: Extract<Syntax, { kind: 'binary' }>): number {
  // After `^` a sign or a further `^` stands without parentheses.
  return operator === '^' ? negateStrength : bindingStrength[operator] + 1;
}

const atom = 6;

function strengthOf(syntax: Syntax): number {
  if (syntax.kind === 'binary') return bindingStrength[syntax.operator];
  return syntax.kind === 'negate' ? negateStrength : atom;
}

function within(syntax: Syntax, least: number): string {
  const text = print(syntax);
  return strengthOf(syntax) < least ? `(${text})` : text;
}
