/** What a name means where it stands: a field of which row, at which moment. */
import { constant, type Expr, input, type Moment, now } from '../ir/expr.ts';
import { type Context, errorAt, fieldOf, type Row, rowNamed } from './context.ts';
import { didYouMean, listed, type Problem } from './diagnostics.ts';
import { valueElsewhere } from './elsewhere.ts';
import { formulaFunctions, functionNamed, signature } from './functions.ts';
import { type Meaning, rowsOf } from './scope.ts';
import type { Session } from './session.ts';
import { indexNames, isReductionName, type NameSyntax } from './syntax.ts';

type FieldMeaning = Extract<Meaning, { kind: 'field' }>;

/** Why tracers are never summed over but outermost in a loss. */
export const structure =
  'tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix';

/**
 * The value of a name; for a `let` entry without parameters, what `expand` makes of it.
 *
 * @throws FormulaError when the name is unknown or cannot stand there
 */
export function readName(
  session: Session,
  context: Context,
  node: NameSyntax,
  expand: (context: Context, applied: Row | null, at: Moment) => Expr,
): Expr {
  const { name } = node;
  const fail = (problem: Problem): never => {
    throw errorAt(context, node.nameSpan, problem);
  };
  if (node.at !== null && session.kind !== 'loss') {
    fail({
      message: `\`${name}@${node.at}\` stands only in a loss`,
      hint: session.kind === 'flow' ? 'a flow knows the present alone' : 'values are taken at the end time',
    });
  }

  const argument = context.parameters.get(name);
  if (argument !== undefined) {
    return bare(node, fail, `\`${name}\` is a parameter here and stands for a value already`) ?? argument;
  }
  if (indexNames.includes(name)) {
    fail({
      message: `\`${name}\` is an index`,
      hint: `it stands in brackets or first in a reduction: \`sum(${name}, …)\``,
    });
  }
  if (name === 't') return bare(node, fail, '`t` is the time') ?? input({ role: 'time' }, 1);
  if (name === 'pi') return bare(node, fail, '`pi` is a number') ?? constant(Math.PI);

  const meaning = session.names.get(name);
  if (meaning === undefined) return fail(unknownName(session, context, name));
  switch (meaning.kind) {
    case 'field':
      return readField(session, context, node, meaning);
    case 'let': {
      const { params } = meaning.entry;
      if (params !== null)
        fail({ message: `\`${name}\` takes arguments: write \`${name}(${params.join(', ')})\`` });
      const row = node.index === null ? context.applied : boundRow(context, node, node.index);
      return expand(context, row, node.at ?? context.at);
    }
    case 'pair':
      return readPair(context, node, meaning);
    case 'param':
      return (
        bare(node, fail, `\`${name}\` is a parameter of the job, the same for every row and at every time`) ??
        input({ role: 'param', field: name }, meaning.field.width)
      );
  }
}

/** Nothing for a name that stands alone; otherwise says why it can have neither an index nor a moment. */
function bare(node: NameSyntax, fail: (problem: Problem) => never, why: string): undefined {
  if (node.index !== null) fail({ message: `${why}: it has no rows to index` });
  if (node.at !== null) fail({ message: `${why}: it cannot be read at a moment` });
  return undefined;
}

/** A field of the own row, or of the row its index names. */
function readField(session: Session, context: Context, node: NameSyntax, meaning: FieldMeaning): Expr {
  const { field, over, evolving } = meaning;
  // What is constant has one value at all times.
  const at = evolving ? (node.at ?? context.at) : now;
  if (at !== now) session.moments.add(at);

  if (node.index !== null) {
    if (over === 'tracers') {
      throw errorAt(context, node.span, {
        message: `a tracer can never be indexed: \`${field.name}\` is a field of the tracers, and means the own row's value`,
        notes: [structure],
      });
    }
    const row = boundRow(context, node, node.index);
    if (row.over !== over) {
      throw errorAt(context, node.span, {
        message: `\`${field.name}\` is ${belonging(over)}, but \`${row.index}\` runs over ${rowsNamed(row.over)}`,
        hint: elsewhere(context, field.name, over),
      });
    }
    return fieldOf(row, field, at);
  }

  if (context.applied?.over === over) return fieldOf(context.applied, field, at);
  if (context.own?.over === over) return fieldOf(context.own, field, at);
  throw errorAt(context, node.nameSpan, notOwn(session, context, field.name, over));
}

/** Why a bare name cannot be the own row's value, and what to write. */
function notOwn(session: Session, context: Context, name: string, over: string): Problem {
  if (over !== 'tracers') {
    const hint = elsewhere(context, name, over);
    const message = `\`${name}\` is ${belonging(over)}`;
    if (context.own === null) return { message: `${message}: a loss reduces over its rows`, hint };
    return { message: `${message}, and the own row is ${rowNoun(context.own.over)}`, hint };
  }
  if (session.kind === 'flow') {
    return {
      message: `\`${name}\` is a field of the tracers, and the sources never feel a tracer`,
      notes: [structure],
    };
  }
  if (context.own === null) {
    return {
      message: `\`${name}\` is a field of the tracers: a loss adds it over them`,
      hint: `\`sum(i, …)\` or \`mean(i, …)\``,
    };
  }
  return {
    message: `\`${name}\` is a field of the tracers, and this is a reduction over ${rowsNamed(context.own.over)}`,
    hint: 'the sum over tracers stands outermost: `sum(i, sum(j, …))`',
    notes: [structure],
  };
}

/** How to reach a field of sources or a set from here. */
function elsewhere(context: Context, name: string, over: string): string {
  const bound = context.rows.findLast((row) => row.over === over && row.loop !== null);
  if (bound !== undefined) return `write \`${name}[${bound.index}]\``;
  const free = indexNames.find((n) => n !== 'i' && rowNamed(context, n) === undefined) ?? 'k';
  const head = over === 'sources' ? free : `${free} in ${over}`;
  return context.own === null
    ? `\`sum(${head}, …)\``
    : `write \`${name}[${free}]\` under \`sum(${head}, …)\``;
}

/** The weight from the bound row to the own row. */
function readPair(context: Context, node: NameSyntax, { field }: Extract<Meaning, { kind: 'pair' }>): Expr {
  const { name, width } = field;
  const row = node.index === null ? context.applied : boundRow(context, node, node.index);
  const isSource = context.own?.over === 'sources' && context.own.loop === null;
  if (!isSource || row === null || row.over !== 'sources' || row.loop === null || node.at !== null) {
    throw errorAt(context, node.span, {
      message: `\`${name}\` holds weights between sources: it stands in a source's formula, as \`${name}[k]\` under \`sum(k, …)\``,
      hint: 'it is the weight from k to the own row',
    });
  }
  return input({ role: 'pair', loop: row.loop, field: name }, width);
}

/** The row an index names. */
function boundRow(context: Context, node: NameSyntax, index: string): Row {
  const row = rowNamed(context, index);
  const problem = (): Problem => {
    if (!indexNames.includes(index)) {
      return {
        message: `an index is \`i\`, \`j\` or \`k\`, not \`${index}\``,
        hint: 'a component of a vector is `elem(v, m)`',
      };
    }
    return {
      message: `\`${index}\` is not bound here`,
      hint: `\`${node.name}[${index}]\` stands under \`sum(${index}, …)\``,
    };
  };
  if (row === undefined) throw errorAt(context, node.span, problem());
  return row;
}

function unknownName(session: Session, context: Context, name: string): Problem {
  const f = functionNamed(name);
  if (f !== undefined)
    return { message: `\`${name}\` is a function`, hint: `write \`${signature(name, f)}\`` };
  if (isReductionName(name))
    return { message: `\`${name}\` is a reduction`, hint: `write \`${name}(j, …)\`` };
  if (rowsOf(session.scope, name) !== null) {
    return {
      message: `\`${name}\` is a group of rows, not a value`,
      hint: `\`sum(j in ${name}, …)\` runs over it`,
    };
  }
  const inReach = [...context.parameters.keys(), ...session.names.keys()];
  return {
    message: `unknown name \`${name}\``,
    hint: valueElsewhere(name) ?? didYouMean(name, [...inReach, 't', 'pi', ...Object.keys(formulaFunctions)]),
    notes: [
      inReach.length === 0 ? 'the job names no field and no parameter' : `names in reach: ${listed(inReach)}`,
    ],
  };
}

/** 'a field of the sources', 'a field of the set `target`' */
export function belonging(over: string): string {
  return over === 'sources' || over === 'tracers'
    ? `a field of the ${over}`
    : `a field of the set \`${over}\``;
}

/** 'the sources', 'the set `target`' */
export function rowsNamed(over: string): string {
  return over === 'sources' || over === 'tracers' ? `the ${over}` : `the set \`${over}\``;
}

function rowNoun(over: string): string {
  if (over === 'sources') return 'a source';
  return over === 'tracers' ? 'a tracer' : `a row of the set \`${over}\``;
}
