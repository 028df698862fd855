/** What a formula computes: syntax → graph, with every name resolved and every width agreed. */
import { apply, constant, type Expr, input, type Moment } from '../ir/expr.ts';
import type { OpName } from '../ops/table.ts';
import { arithmetic, negated, power } from './arithmetic.ts';
import {
  type Context,
  contextKey,
  depthOf,
  differs,
  errorAt,
  type Frame,
  type Row,
  rowNamed,
  withRow,
} from './context.ts';
import { didYouMean, listed, type Problem } from './diagnostics.ts';
import { namedElsewhere } from './elsewhere.ts';
import { formulaFunctions, functionNamed, Misuse, signature } from './functions.ts';
import { limits } from './limits.ts';
import { readName, rowsNamed, structure } from './names.ts';
import { parse } from './parser.ts';
import { type Reduction, reductions } from './reductions.ts';
import { type LetEntry, rowsOf } from './scope.ts';
import { countBuilt, enter, hasTracerSum, leave, type Session } from './session.ts';
import {
  type BinaryOperator,
  type BinarySyntax,
  type CallSyntax,
  indexNames,
  isReductionName,
  type ReductionSyntax,
  type Span,
  type Syntax,
} from './syntax.ts';

/**
 * The graph of a formula in its context.
 *
 * @throws FormulaError at the first name or width that is wrong
 */
export function check(session: Session, context: Context, node: Syntax): Expr {
  enter(session, context, node.span);
  const value = checkNode(session, context, node);
  countBuilt(session, context, node.span, value);
  leave(session);
  return value;
}

function checkNode(session: Session, context: Context, node: Syntax): Expr {
  switch (node.kind) {
    case 'binary':
      return checkChain(session, context, node);
    case 'call':
      return checkCall(session, context, node);
    case 'name':
      return readName(session, context, node, (at, applied, moment) => {
        return expand(session, at, node.name, node.nameSpan, [], applied, moment);
      });
    case 'negate':
      return negated(check(session, context, node.arg));
    case 'number':
      return constant(node.value);
    case 'reduction':
      return checkReduction(session, context, node);
  }
}

// --- operators --------------------------------------------------------------------------------------------

const operations: Readonly<Record<BinaryOperator, (a: Expr, b: Expr) => Expr>> = {
  '+': (a, b) => arithmetic('add', a, b),
  '-': (a, b) => arithmetic('sub', a, b),
  '*': (a, b) => arithmetic('mul', a, b),
  '/': (a, b) => arithmetic('div', a, b),
  '^': power,
  '<': comparison('lt'),
  '<=': comparison('le'),
  '>': comparison('gt'),
  '>=': comparison('ge'),
  '==': comparison('eq'),
  '!=': comparison('ne'),
};

function comparison(op: OpName): (a: Expr, b: Expr) => Expr {
  return (a, b) => apply(op, a, b);
}

/** A chain leaning to the left, such as a long sum, from its innermost link outwards and without recursion. */
function checkChain(session: Session, context: Context, node: BinarySyntax): Expr {
  const links = [node];
  let innermost = node.left;
  for (; innermost.kind === 'binary'; innermost = innermost.left) links.push(innermost);
  let value = check(session, context, innermost);
  for (const link of links.reverse()) {
    const right = check(session, context, link.right);
    if (value.width !== right.width && value.width !== 1 && right.width !== 1) {
      throw errorAt(context, link.operatorSpan, {
        message: `\`${link.operator}\` takes equal widths or width 1: the left side has width ${value.width}, the right side ${right.width}`,
      });
    }
    value = operations[link.operator](value, right);
  }
  return value;
}

// --- calls ------------------------------------------------------------------------------------------------

function checkCall(session: Session, context: Context, node: CallSyntax): Expr {
  const { name } = node;
  const fail = (problem: Problem): never => {
    throw errorAt(context, node.nameSpan, problem);
  };
  if (context.parameters.has(name)) fail({ message: `\`${name}\` is a parameter here, not a function` });

  const meaning = session.names.get(name);
  if (meaning?.kind === 'let') return checkMacro(session, context, node, meaning.entry);
  if (meaning !== undefined)
    fail({ message: `\`${name}\` is not a function`, hint: `a product is written \`${name} * (…)\`` });

  const f = functionNamed(name);
  if (f === undefined) return fail(unknownFunction(session, name));
  const least = f.parameters.length - f.optional;
  const { length } = node.args;
  if (length < least || (length > f.parameters.length && !f.more)) {
    fail({
      message: `\`${signature(name, f)}\` takes ${counted(least, f.parameters.length, f.more)}, and ${given(length)}`,
      hint: isReductionName(name) ? `over rows it takes an index first: \`${name}(j, …)\`` : undefined,
    });
  }
  const args = node.args.map((arg) => check(session, context, arg));
  return orFail(context, node, f.build(args), f.parameters);
}

/** Longest text of an argument that stands in a message, in characters; beyond it the parameter's name does. */
const argumentMax = 24;

/** A value, or the error about an argument (the head of a reduction is none). */
function orFail(
  context: Context,
  node: CallSyntax | ReductionSyntax,
  value: Expr | Misuse,
  parameters: readonly string[] = [],
): Expr {
  if (!(value instanceof Misuse)) return value;
  const span = (value.at === null ? undefined : node.args[value.at]?.span) ?? node.nameSpan;
  const message = value.message.replace(/\{(\d)\}/gu, (_, digit: string) => {
    const { start = 0, end = 0 } = node.args[Number(digit)]?.span ?? {};
    const text = context.frame.source.text.slice(start, end);
    return `\`${text.length > argumentMax || text.includes('\n') ? parameters[Number(digit)] : text}\``;
  });
  throw errorAt(context, span, { message: `\`${node.name}\` ${message}` });
}

function counted(least: number, most: number, more: boolean): string {
  if (more) return `${least} argument${least === 1 ? '' : 's'} or more`;
  return `${least === most ? '' : `${least} or `}${most} argument${most === 1 ? '' : 's'}`;
}

function given(count: number): string {
  return count === 1 ? '1 is given' : `${count} are given`;
}

function unknownFunction(session: Session, name: string): Problem {
  if (isReductionName(name)) {
    const { parameters } = reductions[name];
    return {
      message: `\`${name}\` reduces over rows`,
      hint: `write \`${name}(j, ${parameters.join(', ')})\``,
    };
  }
  const macros = [...session.names]
    .filter(([, m]) => m.kind === 'let' && m.entry.params !== null)
    .map(([n]) => n);
  const known = [...macros, ...Object.keys(formulaFunctions), ...Object.keys(reductions)];
  return {
    message: `unknown function \`${name}\``,
    hint: namedElsewhere(name) ?? didYouMean(name, known),
    ...(macros.length > 0 ? { notes: [`functions of this job: ${listed(macros)}`] } : {}),
  };
}

// --- let --------------------------------------------------------------------------------------------------

function checkMacro(session: Session, context: Context, node: CallSyntax, entry: LetEntry): Expr {
  const { name, args } = node;
  if (entry.params === null) {
    throw errorAt(context, node.nameSpan, {
      message: `\`${name}\` takes no arguments`,
      hint: `a product is written \`${name} * (…)\``,
    });
  }
  if (entry.params.length !== args.length) {
    const { length } = entry.params;
    throw errorAt(context, node.nameSpan, {
      message: `\`${name}(${entry.params.join(', ')})\` takes ${counted(length, length, false)}, and ${given(args.length)}`,
    });
  }
  // Arguments are read where they stand, so that their names keep meaning the caller's row.
  const values = args.map((arg) => check(session, context, arg));
  return expand(session, context, name, node.nameSpan, values, context.applied, context.at);
}

/** A `let` entry in place of its name. The bound rows stay in reach, the caller's parameters do not. */
function expand(
  session: Session,
  caller: Context,
  name: string,
  span: Span,
  args: readonly Expr[],
  applied: Row | null,
  at: Moment,
): Expr {
  const entry = session.scope.lets.get(name)!;
  const frame: Frame = { source: entry.body, use: { name, span, frame: caller.frame } };
  const parameters = new Map((entry.params ?? []).map((param, n) => [param, args[n]!]));
  const context: Context = { ...caller, frame, parameters, applied, at };

  const key = `${name}(${args.map((a) => a.id).join(',')}) ${contextKey(context)}`;
  const known = session.expanded.get(key);
  if (known !== undefined) return known;
  const body = session.bodies.get(name) ?? parse(entry.body);
  session.bodies.set(name, body);
  const value = check(session, context, body);
  session.expanded.set(key, value);
  return value;
}

// --- reductions -------------------------------------------------------------------------------------------

function checkReduction(session: Session, context: Context, node: ReductionSyntax): Expr {
  // A parameter shadows every other name, an index too: `min(k, 0)` is then no reduction.
  if (context.parameters.has(node.index)) return checkCall(session, context, asCall(context, node));
  const reduction = isReductionName(node.name) ? reductions[node.name] : undefined;
  if (reduction === undefined)
    throw errorAt(context, node.nameSpan, { message: `\`${node.name}\` does not reduce over rows` });

  const refuse = (problem: Problem): never => {
    throw errorAt(context, node.headSpan, problem);
  };
  if (!indexNames.includes(node.index)) {
    refuse({ message: `an index is \`i\`, \`j\` or \`k\`, not \`${node.index}\`` });
  }
  const over = node.over ?? (node.index === 'i' ? 'tracers' : 'sources');
  if (over === 'tracers') return checkTracerSum(session, context, node, reduction);

  const rows = rowsOf(session.scope, over);
  if (rows === null) return refuse(noSuchRows(session, over));
  const hidden = rowNamed(context, node.index);
  if (hidden !== undefined && hidden.frame === context.frame) refuse(alreadyBound(context, hidden));
  const depth = depthOf(context);
  if (depth >= limits.loops) refuse({ message: `reductions nest at most ${limits.loops} deep` });

  const row: Row = { index: node.index, over, loop: { over, depth }, frame: context.frame };
  const where = node.except === null ? null : differs(row, rowLeftOut(context, node, row, node.except));
  const count = where === null ? rows : Math.max(0, rows - 1);
  refuseNothing(reduction, node, count, over, refuse);
  const args = reductionArguments(session, withRow(context, row), node, reduction);
  if (args.some(hasTracerSum)) throw errorAt(context, node.nameSpan, nestedTracerSum);
  return orFail(context, node, reduction.build({ loop: { over, depth }, where, count }, args));
}

/** `min(k, 0)` and `max(k != j, 0)` where k is a parameter: an ordinary first argument. */
function asCall(context: Context, node: ReductionSyntax): CallSyntax {
  const { index, except, headSpan, name, nameSpan, span } = node;
  if (node.over !== null) {
    throw errorAt(context, headSpan, { message: `\`${index}\` is a parameter here and cannot be an index` });
  }
  const named = (text: string, at: Span): Syntax => ({
    kind: 'name',
    name: text,
    nameSpan: at,
    index: null,
    at: null,
    span: at,
  });
  const first: Syntax =
    except === null
      ? named(index, headSpan)
      : {
          kind: 'binary',
          operator: '!=',
          operatorSpan: headSpan,
          left: named(index, headSpan),
          right: named(except, headSpan),
          span: headSpan,
        };
  return { kind: 'call', name, nameSpan, args: [first, ...node.args], span };
}

function reductionArguments(
  session: Session,
  inside: Context,
  node: ReductionSyntax,
  { parameters }: Reduction,
): readonly Expr[] {
  if (node.args.length !== parameters.length) {
    const head = `${node.name}(${node.index}, ${parameters.join(', ')})`;
    throw errorAt(inside, node.nameSpan, {
      message: `\`${head}\` takes ${counted(parameters.length, parameters.length, false)} after the index, and ${given(node.args.length)}`,
    });
  }
  return node.args.map((arg) => check(session, inside, arg));
}

/** The row that `sum(k != j, …)` leaves out. */
function rowLeftOut(context: Context, node: ReductionSyntax, row: Row, except: string): Row {
  const other = rowNamed(context, except);
  if (other === undefined) {
    throw errorAt(context, node.headSpan, {
      message: `\`${except}\` is not bound here: \`${row.index} != ${except}\` leaves out a row that is bound already`,
    });
  }
  if (other.over !== row.over) {
    throw errorAt(context, node.headSpan, {
      message: `\`${row.index}\` runs over ${rowsNamed(row.over)} and \`${except}\` over ${rowsNamed(other.over)}: they are never the same row`,
    });
  }
  return other;
}

function refuseNothing(
  reduction: Reduction,
  node: ReductionSyntax,
  count: number,
  over: string,
  refuse: (problem: Problem) => never,
): void {
  if (count > 0 || reduction.overNothing) return;
  const left = node.except === null ? '' : ` but the row \`${node.except}\` that is left out`;
  refuse({
    message: `\`${node.name}\` over no rows has no value: ${rowsNamed(over)} ${over === 'sources' || over === 'tracers' ? 'have' : 'has'} none${left}`,
  });
}

function alreadyBound(context: Context, row: Row): Problem {
  const free = indexNames.find((n) => n !== 'i' && rowNamed(context, n) === undefined);
  const hint = free === undefined ? undefined : `use \`${free}\``;
  return row.loop === null
    ? {
        message: `\`${row.index}\` is the own row of ${row.over === 'tracers' ? 'a tracer' : 'a source'}'s formula`,
        hint,
      }
    : { message: `\`${row.index}\` is bound already: reductions nest with a new index`, hint };
}

function noSuchRows(session: Session, over: string): Problem {
  if (over === 'sources') return { message: 'the job has no sources to reduce over' };
  const sets = [...session.scope.sets.keys()];
  return {
    message: `there is no set \`${over}\``,
    hint: didYouMean(over, [...sets, 'sources']),
    notes: [sets.length === 0 ? 'the job has no `sets`' : `sets of this job: ${listed(sets)}`],
  };
}

// --- sums over tracers ------------------------------------------------------------------------------------

const nestedTracerSum: Problem = {
  message: 'a sum over tracers cannot stand inside another reduction: it stands outermost in a loss',
  notes: [structure],
};

function checkTracerSum(
  session: Session,
  context: Context,
  node: ReductionSyntax,
  reduction: Reduction,
): Expr {
  const refuse = (problem: Problem): never => {
    throw errorAt(context, node.headSpan, problem);
  };
  if (node.index !== 'i') refuse({ message: 'the index of the tracers is `i`' });
  if (session.kind !== 'loss') {
    refuse({
      message: `a sum over tracers stands only in a loss, never in ${session.kind === 'flow' ? 'a flow' : '`values`'}`,
      notes: [structure],
    });
  }
  if (context.own !== null) refuse(nestedTracerSum);
  const { tracers } = session.scope;
  if (tracers === null) return refuse({ message: 'the job has no tracers to reduce over' });
  if (reduction.overTracers === null) {
    return refuse({
      message: `over tracers \`sum\`, \`mean\`, \`min\` and \`max\` reduce, not \`${node.name}\``,
    });
  }
  if (node.except !== null) refuse({ message: 'no tracer can be left out: tracers never see each other' });
  refuseNothing(reduction, node, tracers.rows, 'tracers', refuse);

  const row: Row = { index: 'i', over: 'tracers', loop: null, frame: context.frame };
  const [body] = reductionArguments(session, withRow(context, row), node, reduction);
  if (hasTracerSum(body!)) refuse(nestedTracerSum);
  const { by, factor } = reduction.overTracers;
  const known = session.sums.findIndex((s) => s.by === by && s.body === body);
  const index = known < 0 ? session.sums.push({ by, body: body! }) - 1 : known;
  const value = input({ role: 'sum', index }, body!.width);
  const coefficient = factor(tracers.rows);
  return node.name === 'mean' ? apply('mul', constant(coefficient), value) : value;
}
