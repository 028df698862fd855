/** What a formula's text says: words → syntax tree, by operator precedence (Pratt). */
import { type FormulaText, formulaError, type Problem, plainText } from './diagnostics.ts';
import { type Token, tokens } from './lexer.ts';
import { limits } from './limits.ts';
import {
  type BinaryOperator,
  bindingStrength,
  comparisonStrength,
  indexNames,
  isReductionName,
  negateStrength,
  type Span,
  type Syntax,
} from './syntax.ts';

/**
 * The syntax tree of a formula.
 *
 * @param text - the formula, or a formula with its place in a file, which messages then name
 * @throws FormulaError at the first word that cannot stand where it does
 *
 * Pratt, _Top down operator precedence_, POPL 1973.
 */
export function parse(text: FormulaText | string): Syntax {
  const source = typeof text === 'string' ? plainText(text) : text;
  refuseLength(source);
  const parser = new Parser(source);
  return parser.whole();
}

/**
 * The name and parameters of a `let` entry: `K(a, b)` ↦ K with a and b; `E` ↦ E with null.
 *
 * @throws FormulaError when the key is no such thing or a parameter occurs twice
 */
export function parseLetKey(key: FormulaText | string): { name: string; params: readonly string[] | null } {
  const source = typeof key === 'string' ? plainText(key) : key;
  refuseLength(source);
  return new Parser(source).letKey();
}

function refuseLength(source: FormulaText): void {
  const { length } = source.text;
  if (length <= limits.textLength) return;
  throw formulaError(
    source,
    { start: 0, end: 1 },
    {
      message: `a formula has at most ${limits.textLength} characters, this one ${length}: name parts of it under \`let\``,
    },
  );
}

/** For who writes vectors and components with brackets. */
const vectorHint = 'a vector of several is written `concat(a, b)`';
const componentHint = 'a component of a vector is written `elem(v, 0)`';

const join = (first: Span, last: Span): Span => ({ start: first.start, end: last.end });

/** Reads the words once, from left to right. */
class Parser {
  readonly #source: FormulaText;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(source: FormulaText) {
    this.#source = source;
    this.#tokens = tokens(source);
  }

  whole(): Syntax {
    if (this.#peek().kind === 'end') this.#fail(this.#peek().span, { message: 'the formula is empty' });
    const syntax = this.#expression(0);
    const rest = this.#peek();
    if (rest.kind !== 'end') this.#fail(rest.span, this.#afterAnOperand(rest));
    return syntax;
  }

  letKey(): { name: string; params: readonly string[] | null } {
    const name = this.#name('a name, or a name with parameters such as `K(a, b)`').text;
    let params: string[] | null = null;
    if (this.#takeIf('(')) {
      params = [];
      while (!this.#takeIf(')')) {
        if (params.length > 0) this.#take(',');
        const param = this.#name('the name of a parameter');
        if (params.includes(param.text)) {
          this.#fail(param.span, { message: `parameter \`${param.text}\` occurs twice` });
        }
        params.push(param.text);
      }
    }
    const rest = this.#peek();
    if (rest.kind !== 'end') {
      this.#fail(rest.span, {
        message: `a \`let\` key is a name or a name with parameters, but ${shown(rest)} follows`,
      });
    }
    return { name, params };
  }

  /** An expression whose operators all bind more tightly than `strength`. */
  #expression(strength: number): Syntax {
    let left = this.#operand();
    for (;;) {
      const token = this.#peek();
      const operator = asOperator(token);
      if (operator === undefined) return left;
      const binding = bindingStrength[operator];
      if (binding <= strength) return left;
      this.#at++;
      const right = operator === '^' ? this.#exponent() : this.#expression(binding);
      left = {
        kind: 'binary',
        operator,
        operatorSpan: token.span,
        left,
        right,
        span: join(left.span, right.span),
      };
      const next = this.#peek();
      const nextOperator = asOperator(next);
      if (
        binding === comparisonStrength &&
        nextOperator &&
        bindingStrength[nextOperator] === comparisonStrength
      ) {
        this.#fail(next.span, {
          message: 'comparisons are not chained',
          hint: 'write the product of two: `(a < b) * (b < c)`',
        });
      }
    }
  }

  /** What follows `^`: a sign may come first, and a further `^` belongs to it. */
  #exponent(): Syntax {
    return this.#deeper(() => this.#expression(negateStrength));
  }

  #operand(): Syntax {
    const token = this.#peek();
    if (token.kind === 'number') {
      this.#at++;
      return { kind: 'number', value: this.#double(token), span: token.span };
    }
    if (token.kind === 'name') return this.#nameOrCall();
    if (token.text === '-') {
      this.#at++;
      const arg = this.#deeper(() => this.#expression(negateStrength));
      return { kind: 'negate', arg, span: join(token.span, arg.span) };
    }
    if (token.text === '(') {
      this.#at++;
      const inner = this.#deeper(() => this.#expression(0));
      const close = this.#close(token, ')');
      return { ...inner, span: join(token.span, close) };
    }
    return this.#fail(token.span, {
      message: `expected a number, a name or \`(\`, but ${token.kind === 'end' ? 'the formula ends' : `${shown(token)} came`}`,
      hint: token.text === '[' ? vectorHint : undefined,
    });
  }

  #nameOrCall(): Syntax {
    const name = this.#next();
    if (name.text === 'in') {
      this.#fail(name.span, {
        message: '`in` belongs after the index of a reduction',
        hint: 'as in `sum(j in target, …)`',
      });
    }
    const open = this.#peek();
    if (open.text === '(') {
      this.#at++;
      return this.#deeper(() => this.#call(name, open));
    }
    let index: string | null = null;
    let at: string | null = null;
    let last = name.span;
    for (;;) {
      const token = this.#peek();
      if (token.text === '[' && index === null) {
        this.#at++;
        index = this.#name('an index such as `j`', componentHint).text;
        last = this.#close(token, ']');
      } else if (token.text === '@' && at === null) {
        this.#at++;
        [at, last] = this.#moment();
      } else {
        return { kind: 'name', name: name.text, nameSpan: name.span, index, at, span: join(name.span, last) };
      }
    }
  }

  /** `start`, `end` or a time, after `@`. */
  #moment(): [string, Span] {
    const sign = this.#takeIf('-');
    const token = this.#peek();
    if (token.kind === 'number') {
      this.#at++;
      const time = this.#double(token);
      return [String(sign && time !== 0 ? -time : time), token.span];
    }
    if (!sign && (token.text === 'start' || token.text === 'end')) {
      this.#at++;
      return [token.text, token.span];
    }
    return this.#fail(token.span, {
      message: `expected \`start\`, \`end\` or a time after \`@\`, but ${shown(token)} came`,
    });
  }

  #call(name: Token, open: Token): Syntax {
    const head = isReductionName(name.text) ? this.#head() : null;
    const args: Syntax[] = [];
    if (head !== null) {
      this.#take(',', ' and what is reduced');
      args.push(this.#expression(0));
    } else if (this.#peek().text !== ')') {
      args.push(this.#expression(0));
    }
    while (this.#takeIf(',')) args.push(this.#expression(0));
    const span = join(name.span, this.#close(open, ')'));
    const common = { name: name.text, nameSpan: name.span, args, span };
    return head === null ? { kind: 'call', ...common } : { kind: 'reduction', ...head, ...common };
  }

  /** `j`, `k != j`, `j in target` before the first comma; null when the first argument is an ordinary one. */
  #head(): { index: string; except: string | null; over: string | null; headSpan: Span } | null {
    const index = this.#peek();
    const after = this.#peek(1);
    if (index.kind !== 'name') return null;
    const isHead =
      after.text === 'in' || (indexNames.includes(index.text) && (after.text === ',' || this.#isExcept()));
    if (!isHead) return null;
    this.#at++;
    let last = index.span;
    let except: string | null = null;
    let over: string | null = null;
    if (this.#takeIf('!=')) {
      const token = this.#name('the index of the row that is left out');
      except = token.text;
      last = token.span;
    }
    if (this.#takeIf('in')) {
      const token = this.#name('the name of a set');
      over = token.text;
      last = token.span;
    }
    return { index: index.text, except, over, headSpan: join(index.span, last) };
  }

  /** Whether `k != j` stands here and is a head, not the beginning of a comparison such as `k != j + 1`. */
  #isExcept(): boolean {
    const end = this.#peek(3).text;
    return this.#peek(1).text === '!=' && this.#peek(2).kind === 'name' && (end === ',' || end === 'in');
  }

  #double(token: Token): number {
    const value = Number(token.text);
    if (Number.isFinite(value)) return value;
    return this.#fail(token.span, {
      message: `\`${token.text}\` is too large for a double-precision number`,
    });
  }

  #afterAnOperand(token: Token): Problem {
    const before = this.#tokens[this.#at - 1];
    if (token.kind === 'name' || token.kind === 'number' || token.text === '(') {
      const product =
        before === undefined || token.text === '(' ? 'a * (b)' : `${before.text} * ${token.text}`;
      return {
        message: `expected an operator before ${shown(token)}`,
        hint: `a product is written \`${product}\``,
      };
    }
    if (token.text === ')') return { message: 'this `)` closes nothing' };
    if (token.text === '[' || token.text === '@') {
      return {
        message: `\`${token.text}\` follows a name, as in \`q[j]@start\`; this is no name`,
        hint: token.text === '[' ? componentHint : undefined,
      };
    }
    return { message: `expected an operator or the end of the formula, but ${shown(token)} came` };
  }

  // --- words ----------------------------------------------------------------------------------------------

  #peek(ahead = 0): Token {
    // The last token is `end`, which is never taken.
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #takeIf(text: string): boolean {
    const taken = this.#peek().text === text && this.#peek().kind !== 'end';
    if (taken) this.#at++;
    return taken;
  }

  #take(text: string, and = ''): Span {
    const token = this.#peek();
    if (token.text !== text)
      this.#fail(token.span, { message: `expected \`${text}\`${and}, but ${shown(token)} came` });
    this.#at++;
    return token.span;
  }

  #close(open: Token, text: string): Span {
    const token = this.#peek();
    if (token.text === text) return this.#take(text);
    if (token.kind === 'end')
      return this.#fail(open.span, { message: `this \`${open.text}\` is never closed` });
    const problem = this.#afterAnOperand(token);
    if (problem.hint) return this.#fail(token.span, problem);
    const listed = text === ')' ? vectorHint : componentHint;
    return this.#fail(token.span, {
      message: `expected \`${text}\`, but ${shown(token)} came`,
      hint: token.text === ',' ? listed : undefined,
    });
  }

  #name(what: string, hint?: string): Token {
    const token = this.#peek();
    if (token.kind !== 'name' || token.text === 'in') {
      this.#fail(token.span, { message: `expected ${what}, but ${shown(token)} came`, hint });
    }
    this.#at++;
    return token;
  }

  #deeper<T>(read: () => T): T {
    if (++this.#depth > limits.nesting) {
      this.#fail(this.#peek().span, {
        message: `a formula is nested at most ${limits.nesting} deep: name parts of it under \`let\``,
      });
    }
    const result = read();
    this.#depth--;
    return result;
  }

  #fail(span: Span, problem: Problem): never {
    throw formulaError(this.#source, span, problem);
  }
}

function asOperator(token: Token): BinaryOperator | undefined {
  return token.kind === 'symbol' && token.text in bindingStrength
    ? (token.text as BinaryOperator)
    : undefined;
}

function shown(token: Token): string {
  return token.kind === 'end' ? 'the end of the formula' : `\`${token.text}\``;
}
