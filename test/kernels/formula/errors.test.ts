/** Every message whole: what is wrong, the line, the caret, what was probably meant. */
import { describe, expect, it } from 'vitest';
import { isSkewflowError } from '../../../src/errors.ts';
import { checkValue, type FormulaText, parse } from '../../../src/kernels/formula/index.ts';
import { flowOf, lossOf, messageOf, scope, withLets, worth } from './world.ts';

const lets = withLets({ 'K(a, b)': 'exp(-sqdist(a, b) / sigma^2)', E: 'q + p', bad: 'q * sigm' });
const syntax = (formula: string): string => `\n${messageOf(() => parse(formula))}\n`;
const inValue = (formula: string): string => `\n${messageOf(() => worth(formula, 0, lets))}\n`;
const inFlow = (field: string, formula: string): string =>
  `\n${messageOf(() => flowOf(field, formula, 0, lets))}\n`;
const inLoss = (formula: string): string => `\n${messageOf(() => lossOf(formula, lets))}\n`;

describe('syntax errors', () => {
  it('show where a formula is empty', () => {
    expect(syntax('  ')).toMatchInlineSnapshot(`
      "
      formula:1:3: the formula is empty
        1 │   
          │   ^
      "
    `);
  });

  it('show where an operand is missing', () => {
    expect(syntax('1 + * 2')).toMatchInlineSnapshot(`
      "
      formula:1:5: expected a number, a name or \`(\`, but \`*\` came
        1 │ 1 + * 2
          │     ^
      "
    `);
  });

  it('show where the formula ends too early', () => {
    expect(syntax('2 * ')).toMatchInlineSnapshot(`
      "
      formula:1:5: expected a number, a name or \`(\`, but the formula ends
        1 │ 2 * 
          │     ^
      "
    `);
  });

  it('show where a parenthesis is never closed', () => {
    expect(syntax('exp(x')).toMatchInlineSnapshot(`
      "
      formula:1:4: this \`(\` is never closed
        1 │ exp(x
          │    ^
      "
    `);
  });

  it('show where a parenthesis closes nothing', () => {
    expect(syntax('x)')).toMatchInlineSnapshot(`
      "
      formula:1:2: this \`)\` closes nothing
        1 │ x)
          │  ^
      "
    `);
  });

  it('show where two operands have no operator between them', () => {
    expect(syntax('2x')).toMatchInlineSnapshot(`
      "
      formula:1:2: expected an operator before \`x\`
        1 │ 2x
          │  ^ a product is written \`2 * x\`
      "
    `);
  });

  it('show where a parenthesis follows a value', () => {
    expect(syntax('(a)(b)')).toMatchInlineSnapshot(`
      "
      formula:1:4: expected an operator before \`(\`
        1 │ (a)(b)
          │    ^ a product is written \`a * (b)\`
      "
    `);
  });

  it('show where comparisons are chained', () => {
    expect(syntax('a < b < c')).toMatchInlineSnapshot(`
      "
      formula:1:7: comparisons are not chained
        1 │ a < b < c
          │       ^ write the product of two: \`(a < b) * (b < c)\`
      "
    `);
  });

  it('show where a power is written as in Python', () => {
    expect(syntax('x ** 2')).toMatchInlineSnapshot(`
      "
      formula:1:3: unexpected \`**\`
        1 │ x ** 2
          │   ^^ a power is written \`^\`
      "
    `);
  });

  it('show where equality is written as an assignment', () => {
    expect(syntax('a = b')).toMatchInlineSnapshot(`
      "
      formula:1:3: unexpected \`=\`
        1 │ a = b
          │   ^ equality is written \`==\`
      "
    `);
  });

  it('show where bars are used for a norm', () => {
    expect(syntax('exp(-|x - y|)')).toMatchInlineSnapshot(`
      "
      formula:1:6: unexpected \`|\`
        1 │ exp(-|x - y|)
          │      ^ a norm is written \`norm(x)\`, an absolute value \`abs(x)\`
      "
    `);
  });

  it('show where logic is written as in C', () => {
    expect(syntax('a && b')).toMatchInlineSnapshot(`
      "
      formula:1:3: unexpected \`&&\`
        1 │ a && b
          │   ^^ "and" is the product of two comparisons: \`(a < b) * (b < c)\`
      "
    `);
  });

  it('show where a sign comes from another keyboard', () => {
    expect(syntax('a − b')).toMatchInlineSnapshot(`
      "
      formula:1:3: unexpected \`−\`
        1 │ a − b
          │   ^ minus is written \`-\`
      "
    `);
  });

  it('show where an exponent is written as on paper', () => {
    expect(syntax('x²')).toMatchInlineSnapshot(`
      "
      formula:1:2: unexpected \`²\`
        1 │ x²
          │  ^ a square is written \`^2\`
      "
    `);
  });

  it('show where a character means nothing', () => {
    expect(syntax('a # b')).toMatchInlineSnapshot(`
      "
      formula:1:3: unexpected character \`#\`
        1 │ a # b
          │   ^
      "
    `);
  });

  it('show where a number is too large', () => {
    expect(syntax('1e999')).toMatchInlineSnapshot(`
      "
      formula:1:1: \`1e999\` is too large for a double-precision number
        1 │ 1e999
          │ ^^^^^
      "
    `);
  });

  it('show where an index is a number', () => {
    expect(syntax('q[0]')).toMatchInlineSnapshot(`
      "
      formula:1:3: expected an index such as \`j\`, but \`0\` came
        1 │ q[0]
          │   ^ a component of a vector is written \`elem(v, 0)\`
      "
    `);
  });

  it('show where a bracket is never closed', () => {
    expect(syntax('q[j')).toMatchInlineSnapshot(`
      "
      formula:1:2: this \`[\` is never closed
        1 │ q[j
          │  ^
      "
    `);
  });

  it('show where a moment is neither a time nor a word', () => {
    expect(syntax('x@now')).toMatchInlineSnapshot(`
      "
      formula:1:3: expected \`start\`, \`end\` or a time after \`@\`, but \`now\` came
        1 │ x@now
          │   ^^^
      "
    `);
  });

  it('show where a moment belongs to no name', () => {
    expect(syntax('(x + 1)@start')).toMatchInlineSnapshot(`
      "
      formula:1:8: \`@\` follows a name, as in \`q[j]@start\`; this is no name
        1 │ (x + 1)@start
          │        ^
      "
    `);
  });

  it('show where `in` stands alone', () => {
    expect(syntax('1 + in')).toMatchInlineSnapshot(`
      "
      formula:1:5: \`in\` belongs after the index of a reduction
        1 │ 1 + in
          │     ^^ as in \`sum(j in target, …)\`
      "
    `);
  });

  it('show where a reduction has no body', () => {
    expect(syntax('sum(j in target)')).toMatchInlineSnapshot(`
      "
      formula:1:16: expected \`,\` and what is reduced, but \`)\` came
        1 │ sum(j in target)
          │                ^
      "
    `);
  });
});

describe('names', () => {
  it('show where a name is misspelt', () => {
    expect(inValue('sigmma * w')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: unknown name \`sigmma\`
        1 │ sigmma * w
          │ ^^^^^^ did you mean \`sigma\`?
        names in reach: \`x\`, \`goal\`, \`w\`, \`q\`, \`p\`, \`m\`, \`z\`, \`W\`, \`sigma\`, \`c\`, \`A\`, \`K\` and 2 more
      "
    `);
  });

  it('show where a name is unknown and like no other', () => {
    expect(inValue('w * temperature')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: unknown name \`temperature\`
        1 │ w * temperature
          │     ^^^^^^^^^^^
        names in reach: \`x\`, \`goal\`, \`w\`, \`q\`, \`p\`, \`m\`, \`z\`, \`W\`, \`sigma\`, \`c\`, \`A\`, \`K\` and 2 more
      "
    `);
  });

  it('show where a function is misspelt', () => {
    expect(inValue('sqdits(x, goal)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: unknown function \`sqdits\`
        1 │ sqdits(x, goal)
          │ ^^^^^^ did you mean \`sqdist\`?
        functions of this job: \`K\`
      "
    `);
  });

  it.each([
    ['norm2', 'did you mean `norm` or `sqnorm`?'],
    ['Norm_Sq', 'did you mean `sqnorm`?'],
    ['arctan', 'did you mean `atan`?'],
    ['sqd', 'did you mean `sqdist`?'],
  ])('know what %s is called here', (name, hint) => {
    expect(inValue(`${name}(x, goal)`)).toContain(hint);
  });

  it.each([
    ['[x, goal]', 'a vector of several is written `concat(a, b)`'],
    ['(x, goal)', 'a vector of several is written `concat(a, b)`'],
    ['x[0]', 'a component of a vector is written `elem(v, 0)`'],
    ['sum(j, q[j][0])', 'a component of a vector is written `elem(v, 0)`'],
    ['sum(j, q[j, 0])', 'a component of a vector is written `elem(v, 0)`'],
    ['sigma > 0 ? 1 : 2', 'a choice is written `select(condition, a, b)`'],
    ['sigma % 2', 'a remainder is written `a - b * floor(a / b)`'],
    ['2 * π', 'did you mean `pi`?'],
    ['e^sigma', 'did you mean `exp(1)`?'],
  ])('know how %s is written here', (formula, hint) => {
    expect(inValue(formula)).toContain(hint);
  });

  it('show where a function of the job is misspelt', () => {
    expect(inValue('sum(j, k(x, q[j]))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: unknown function \`k\`
        1 │ sum(j, k(x, q[j]))
          │        ^ did you mean \`K\`?
        functions of this job: \`K\`
      "
    `);
  });

  it('show where a function has no arguments', () => {
    expect(inValue('exp + 1')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`exp\` is a function
        1 │ exp + 1
          │ ^^^ write \`exp(x)\`
      "
    `);
  });

  it('show where a name that is no function is called', () => {
    expect(inValue('sigma(2)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`sigma\` is not a function
        1 │ sigma(2)
          │ ^^^^^ a product is written \`sigma * (…)\`
      "
    `);
  });

  it('show where a let entry lacks its arguments', () => {
    expect(inValue('sum(j, K * m[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`K\` takes arguments: write \`K(a, b)\`
        1 │ sum(j, K * m[j])
          │        ^
      "
    `);
  });

  it('show where a let entry has the wrong number of arguments', () => {
    expect(inValue('K(x)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`K(a, b)\` takes 2 arguments, and 1 is given
        1 │ K(x)
          │ ^
      "
    `);
  });

  it('show where a let entry takes none', () => {
    expect(inValue('E(x)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`E\` takes no arguments
        1 │ E(x)
          │ ^ a product is written \`E * (…)\`
      "
    `);
  });

  it('show where a function has too few arguments', () => {
    expect(inValue('dot(x)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`dot(a, b)\` takes 2 arguments, and 1 is given
        1 │ dot(x)
          │ ^^^
      "
    `);
  });

  it('show where a function has too many arguments', () => {
    expect(inValue('atan2(1, 2, 3)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`atan2(y, x)\` takes 2 arguments, and 3 are given
        1 │ atan2(1, 2, 3)
          │ ^^^^^
      "
    `);
  });

  it('show where an index is used as a number', () => {
    expect(inValue('sum(j, j * m[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`j\` is an index
        1 │ sum(j, j * m[j])
          │        ^ it stands in brackets or first in a reduction: \`sum(j, …)\`
      "
    `);
  });

  it('show where a group is used as a value', () => {
    expect(inValue('sum(target)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: \`target\` is a group of rows, not a value
        1 │ sum(target)
          │     ^^^^^^ \`sum(j in target, …)\` runs over it
      "
    `);
  });

  it('show where a name inherited by every object is used', () => {
    expect(inValue('toString + 1')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: unknown name \`toString\`
        1 │ toString + 1
          │ ^^^^^^^^
        names in reach: \`x\`, \`goal\`, \`w\`, \`q\`, \`p\`, \`m\`, \`z\`, \`W\`, \`sigma\`, \`c\`, \`A\`, \`K\` and 2 more
      "
    `);
  });

  it('show where the mistake is in a let entry', () => {
    expect(inValue('sum(j, bad[j])')).toMatchInlineSnapshot(`
      "
      let bad:1:5: unknown name \`sigm\`
        1 │ q * sigm
          │     ^^^^ did you mean \`sigma\`?
        names in reach: \`x\`, \`goal\`, \`w\`, \`q\`, \`p\`, \`m\`, \`z\`, \`W\`, \`sigma\`, \`c\`, \`A\`, \`K\` and 2 more
        in \`bad\`, used at job.yaml:1:8
      "
    `);
  });
});

describe('indices and rows', () => {
  it('show where a tracer is indexed', () => {
    expect(inValue('sum(j, x[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: a tracer can never be indexed: \`x\` is a field of the tracers, and means the own row's value
        1 │ sum(j, x[j])
          │        ^^^^
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where a source field is bare in a tracer formula', () => {
    expect(inValue('w * q')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: \`q\` is a field of the sources, and the own row is a tracer
        1 │ w * q
          │     ^ write \`q[j]\` under \`sum(j, …)\`
      "
    `);
  });

  it('show where a source field is bare under a reduction', () => {
    expect(inValue('sum(j, q * m[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`q\` is a field of the sources, and the own row is a tracer
        1 │ sum(j, q * m[j])
          │        ^ write \`q[j]\`
      "
    `);
  });

  it('show where an index is not bound', () => {
    expect(inValue('q[j]')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`j\` is not bound here
        1 │ q[j]
          │ ^^^^ \`q[j]\` stands under \`sum(j, …)\`
      "
    `);
  });

  it('show where an index is no index', () => {
    expect(inValue('q[n]')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: an index is \`i\`, \`j\` or \`k\`, not \`n\`
        1 │ q[n]
          │ ^^^^ a component of a vector is \`elem(v, m)\`
      "
    `);
  });

  it('show where an index runs over another set', () => {
    expect(inValue('sum(j in target, q[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:18: \`q\` is a field of the sources, but \`j\` runs over the set \`target\`
        1 │ sum(j in target, q[j])
          │                  ^^^^ write \`q[k]\` under \`sum(k, …)\`
      "
    `);
  });

  it('show where a set is unknown', () => {
    expect(inValue('sum(j in targets, z[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: there is no set \`targets\`
        1 │ sum(j in targets, z[j])
          │     ^^^^^^^^^^^^ did you mean \`target\`?
        sets of this job: \`target\`
      "
    `);
  });

  it('show where an index is bound twice', () => {
    expect(inValue('sum(j, sum(j, m[j]))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:12: \`j\` is bound already: reductions nest with a new index
        1 │ sum(j, sum(j, m[j]))
          │            ^ use \`k\`
      "
    `);
  });

  it('show where a row is left out that is not bound', () => {
    expect(inValue('sum(k != j, m[k])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: \`j\` is not bound here: \`k != j\` leaves out a row that is bound already
        1 │ sum(k != j, m[k])
          │     ^^^^^^
      "
    `);
  });

  it('show where a row of another set is left out', () => {
    expect(inValue('sum(j, sum(k != j in target, z[k]))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:12: \`k\` runs over the set \`target\` and \`j\` over the sources: they are never the same row
        1 │ sum(j, sum(k != j in target, z[k]))
          │            ^^^^^^^^^^^^^^^^
      "
    `);
  });

  it('show where an index has another name', () => {
    expect(inValue('sum(n in target, z[n])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: an index is \`i\`, \`j\` or \`k\`, not \`n\`
        1 │ sum(n in target, z[n])
          │     ^^^^^^^^^^^
      "
    `);
  });

  it('show where a parameter of the job is indexed', () => {
    expect(inValue('sum(j, sigma[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`sigma\` is a parameter of the job, the same for every row and at every time: it has no rows to index
        1 │ sum(j, sigma[j])
          │        ^^^^^
      "
    `);
  });

  it('show where time is indexed', () => {
    expect(inValue('sum(j, t[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`t\` is the time: it has no rows to index
        1 │ sum(j, t[j])
          │        ^
      "
    `);
  });

  it('show where a parameter of a let entry is indexed', () => {
    expect(
      `\n${messageOf(() => worth('sum(j, f(m[j]))', 0, withLets({ 'f(a)': 'a[j]' })))}\n`,
    ).toMatchInlineSnapshot(`
      "
      let f:1:1: \`a\` is a parameter here and stands for a value already: it has no rows to index
        1 │ a[j]
          │ ^
        in \`f\`, used at job.yaml:1:8
      "
    `);
  });

  it('show where weights stand in a tracer formula', () => {
    expect(inValue('sum(k, W[k])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`W\` holds weights between sources: it stands in a source's formula, as \`W[k]\` under \`sum(k, …)\`
        1 │ sum(k, W[k])
          │        ^^^^ it is the weight from k to the own row
      "
    `);
  });

  it('show where a tracer is left out of a reduction over sources', () => {
    expect(inValue('sum(j != i, q[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: \`j\` runs over the sources and \`i\` over the tracers: they are never the same row
        1 │ sum(j != i, q[j])
          │     ^^^^^^
      "
    `);
  });

  it('show where tracers are summed in an output', () => {
    expect(inValue('x - mean(i, x)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:10: a sum over tracers stands only in a loss, never in \`values\`
        1 │ x - mean(i, x)
          │          ^
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where a moment stands in an output', () => {
    expect(inValue('x@start')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`x@start\` stands only in a loss
        1 │ x@start
          │ ^ values are taken at the end time
      "
    `);
  });

  it('show where reductions nest too deep', () => {
    expect(
      `\n${messageOf(() => worth('sum(j, a)', 0, withLets({ a: 'sum(k, b)', b: 'sum(j, d)', d: 'sum(k, e)', e: 'sum(j, 1)' })))}\n`,
    ).toMatchInlineSnapshot(`
      "
      let e:1:5: reductions nest at most 4 deep
        1 │ sum(j, 1)
          │     ^
        in \`e\`, used at let d:1:8
        in \`d\`, used at let b:1:8
        in \`b\`, used at let a:1:8
        in \`a\`, used at job.yaml:1:8
      "
    `);
  });
});

describe('flows', () => {
  it('show where a source feels a tracer', () => {
    expect(inFlow('q', 'x')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`x\` is a field of the tracers, and the sources never feel a tracer
        1 │ x
          │ ^
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where a source sums over tracers', () => {
    expect(inFlow('q', 'sum(i, goal)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: a sum over tracers stands only in a loss, never in a flow
        1 │ sum(i, goal)
          │     ^
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where a tracer sums over tracers', () => {
    expect(inFlow('x', 'sum(i, goal)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: a sum over tracers stands only in a loss, never in a flow
        1 │ sum(i, goal)
          │     ^
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where the own index of a source is bound', () => {
    expect(inFlow('q', 'sum(j, q[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: \`j\` is the own row of a source's formula
        1 │ sum(j, q[j])
          │     ^ use \`k\`
      "
    `);
  });

  it('show where the flow has another width', () => {
    expect(inFlow('x', 'dot(x, x)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: the flow of \`x\` has width 1, the field width 3: they must be equal
        1 │ dot(x, x)
          │ ^^^^^^^^^ a vector of equal components is \`concat(…)\`
      "
    `);
  });

  it('show where the flow of a vector has another width', () => {
    expect(inFlow('q', 'concat(q, p)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: the flow of \`q\` has width 6, the field width 3: they must be equal
        1 │ concat(q, p)
          │ ^^^^^^^^^^^^
      "
    `);
  });

  it('show where the field does not evolve', () => {
    expect(inFlow('sigma', '1')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`sigma\` is no field of the sources or the tracers: only those evolve
        1 │ 1
          │ ^
      "
    `);
  });

  it('show where a moment stands in a flow', () => {
    expect(inFlow('x', 'x - x@start')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: \`x@start\` stands only in a loss
        1 │ x - x@start
          │     ^ a flow knows the present alone
      "
    `);
  });

  it('show where weights lack their index', () => {
    expect(inFlow('q', 'W * q')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`W\` holds weights between sources: it stands in a source's formula, as \`W[k]\` under \`sum(k, …)\`
        1 │ W * q
          │ ^ it is the weight from k to the own row
      "
    `);
  });

  it('show where weights are read over a set', () => {
    expect(inFlow('q', 'sum(k in target, W[k] * q)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:18: \`W\` holds weights between sources: it stands in a source's formula, as \`W[k]\` under \`sum(k, …)\`
        1 │ sum(k in target, W[k] * q)
          │                  ^^^^ it is the weight from k to the own row
      "
    `);
  });
});

describe('widths', () => {
  it('show where operands differ', () => {
    expect(inValue('x + concat(1, 2)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:3: \`+\` takes equal widths or width 1: the left side has width 3, the right side 2
        1 │ x + concat(1, 2)
          │   ^
      "
    `);
  });

  it('show where arguments differ', () => {
    expect(inValue('max(x, concat(1, 2))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`max\` takes equal widths or width 1: \`concat(1, 2)\` has width 2, \`x\` 3
        1 │ max(x, concat(1, 2))
          │        ^^^^^^^^^^^^
      "
    `);
  });

  it('show where arguments of a let entry differ', () => {
    expect(inValue('K(x, concat(1, 2))')).toMatchInlineSnapshot(`
      "
      let K:1:16: \`sqdist\` takes equal widths or width 1: \`b\` has width 2, \`a\` 3
        1 │ exp(-sqdist(a, b) / sigma^2)
          │                ^
        in \`K\`, used at job.yaml:1:1
      "
    `);
  });

  it('show where a cross product is not of width 3', () => {
    expect(inValue('cross(x, concat(1, 2))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:10: \`cross\` takes vectors of width 3, this one has width 2
        1 │ cross(x, concat(1, 2))
          │          ^^^^^^^^^^^^
      "
    `);
  });

  it('show where a component is outside', () => {
    expect(inValue('elem(x, 3)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:9: \`elem\` counts components from 0: \`x\` has width 3, so the last is 2
        1 │ elem(x, 3)
          │         ^
      "
    `);
  });

  it('show where a component is no literal', () => {
    expect(inValue('elem(x, w)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:9: \`elem\` takes a literal for \`m\`: a whole number from 0 on
        1 │ elem(x, w)
          │         ^
      "
    `);
  });

  it('show where a component is negative', () => {
    expect(inValue('elem(x, -1)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:9: \`elem\` takes a literal for \`m\`: a whole number from 0 on
        1 │ elem(x, -1)
          │         ^^
      "
    `);
  });

  it('show where a slice is too long', () => {
    expect(inValue('slice(x, 1, 3)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:13: \`slice\` from component 1 on, \`x\` of width 3 has 2, not 3
        1 │ slice(x, 1, 3)
          │             ^
      "
    `);
  });

  it('show where a slice is empty', () => {
    expect(inValue('slice(x, 1, 0)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:13: \`slice\` takes at least one component
        1 │ slice(x, 1, 0)
          │             ^
      "
    `);
  });

  it('show where a matrix does not fit', () => {
    expect(inValue('matvec(A, concat(1, 2, 3, 4))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`matvec\` takes a matrix of m × n = m × 4 components, and \`A\` has 6
        1 │ matvec(A, concat(1, 2, 3, 4))
          │        ^
      "
    `);
  });

  it('show where a matrix does not fit on the other side', () => {
    expect(inValue('vecmat(concat(1, 2, 3, 4), A)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:28: \`vecmat\` takes a matrix of m × n = 4 × n components, and \`A\` has 6
        1 │ vecmat(concat(1, 2, 3, 4), A)
          │                            ^
      "
    `);
  });

  it('show where a score is a vector', () => {
    expect(inValue('softmax(j, q[j], p[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:12: \`softmax\` takes a score of width 1, this one has width 3
        1 │ softmax(j, q[j], p[j])
          │            ^^^^
      "
    `);
  });

  it('show where softmax lacks its value', () => {
    expect(inValue('softmax(j, m[j])')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`softmax(j, score, value)\` takes 2 arguments after the index, and 1 is given
        1 │ softmax(j, m[j])
          │ ^^^^^^^
      "
    `);
  });

  it('show where softmax lacks its index', () => {
    expect(inValue('softmax(x, w)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`softmax\` reduces over rows
        1 │ softmax(x, w)
          │ ^^^^^^^ write \`softmax(j, score, value)\`
      "
    `);
  });

  it('show where sum has two arguments and no index', () => {
    expect(inValue('sum(x, w)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`sum(v)\` takes 1 argument, and 2 are given
        1 │ sum(x, w)
          │ ^^^ over rows it takes an index first: \`sum(j, …)\`
      "
    `);
  });

  it('show where a vector is too wide', () => {
    expect(inValue('outer(outer(A, A), outer(A, outer(A, A)))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: \`outer\` has width 7776, more than 4096
        1 │ outer(outer(A, A), outer(A, outer(A, A)))
          │ ^^^^^
      "
    `);
  });
});

describe('losses', () => {
  it('show where a tracer field stands outside of a sum', () => {
    expect(inLoss('sqdist(x, goal)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`x\` is a field of the tracers: a loss adds it over them
        1 │ sqdist(x, goal)
          │        ^ \`sum(i, …)\` or \`mean(i, …)\`
      "
    `);
  });

  it('show where a source field stands outside of a sum', () => {
    expect(inLoss('sqnorm(q)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`q\` is a field of the sources: a loss reduces over its rows
        1 │ sqnorm(q)
          │        ^ \`sum(j, …)\`
      "
    `);
  });

  it('show where a set field stands outside of a sum', () => {
    expect(inLoss('sqnorm(z)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:8: \`z\` is a field of the set \`target\`: a loss reduces over its rows
        1 │ sqnorm(z)
          │        ^ \`sum(j in target, …)\`
      "
    `);
  });

  it('show where a sum over tracers is nested in one over sources', () => {
    expect(inLoss('sum(j, sum(i, sqdist(x, q[j])))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:12: a sum over tracers cannot stand inside another reduction: it stands outermost in a loss
        1 │ sum(j, sum(i, sqdist(x, q[j])))
          │            ^
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where a sum over tracers is nested in another', () => {
    expect(inLoss('sum(i, sqdist(x, mean(i, x)))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:23: a sum over tracers cannot stand inside another reduction: it stands outermost in a loss
        1 │ sum(i, sqdist(x, mean(i, x)))
          │                       ^
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where a tracer stands in a sum over sources', () => {
    expect(inLoss('sum(j, sqdist(q, x))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:18: \`x\` is a field of the tracers, and this is a reduction over the sources
        1 │ sum(j, sqdist(q, x))
          │                  ^ the sum over tracers stands outermost: \`sum(i, sum(j, …))\`
        tracers feel the sources, but nothing feels a tracer: that is why the gradient needs no N × N and no N × M matrix
      "
    `);
  });

  it('show where the loss is a vector', () => {
    expect(inLoss('sum(i, x)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:1: a loss is a number, and this has width 3
        1 │ sum(i, x)
          │ ^^^^^^^^^ \`sum(v)\` adds the components of a vector
      "
    `);
  });

  it('show where tracers are reduced in another way', () => {
    expect(inLoss('logsumexp(i, w)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:11: over tracers \`sum\`, \`mean\`, \`min\` and \`max\` reduce, not \`logsumexp\`
        1 │ logsumexp(i, w)
          │           ^
      "
    `);
  });

  it('show where a tracer is left out', () => {
    expect(inLoss('sum(i != j, w)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: no tracer can be left out: tracers never see each other
        1 │ sum(i != j, w)
          │     ^^^^^^
      "
    `);
  });

  it('show where the index of the tracers is another', () => {
    expect(inLoss('sum(j in tracers, w)')).toMatchInlineSnapshot(`
      "
      job.yaml:1:5: the index of the tracers is \`i\`
        1 │ sum(j in tracers, w)
          │     ^^^^^^^^^^^^
      "
    `);
  });

  it('show where weights stand in a loss', () => {
    expect(inLoss('sum(j, sum(k, W[k]))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:15: \`W\` holds weights between sources: it stands in a source's formula, as \`W[k]\` under \`sum(k, …)\`
        1 │ sum(j, sum(k, W[k]))
          │               ^^^^ it is the weight from k to the own row
      "
    `);
  });

  it('show where a field of another set is bare', () => {
    expect(inLoss('sum(j, sum(k in target, sqdist(q, z)))')).toMatchInlineSnapshot(`
      "
      job.yaml:1:35: \`z\` is a field of the set \`target\`, and the own row is a source
        1 │ sum(j, sum(k in target, sqdist(q, z)))
          │                                   ^ write \`z[k]\`
      "
    `);
  });
});

describe('places', () => {
  /** A formula in line 12 of a file, from column 6 on. */
  const placed = (text: string, lineText = `  x: ${text}`): FormulaText => ({
    text,
    locate: (offset) => ({ file: 'jobs/job.yaml', line: 12, column: 6 + offset, lineText }),
  });

  it('are those of the file, in the message and in the details', () => {
    try {
      checkValue(placed('exp(-w / sigmma)'), scope);
      expect.unreachable();
    } catch (e) {
      if (!isSkewflowError(e, 'FormulaError')) throw e;
      expect(e.details).toEqual({ file: 'jobs/job.yaml', line: 12, column: 15 });
      expect(e.message).toBe(
        [
          'jobs/job.yaml:12:15: unknown name `sigmma`',
          '  12 │   x: exp(-w / sigmma)',
          '     │               ^^^^^^ did you mean `sigma`?',
          '  names in reach: `x`, `goal`, `w`, `q`, `p`, `m`, `z`, `W`, `sigma`, `c` and `A`',
        ].join('\n'),
      );
    }
  });

  it('keep the caret under its character after tabs', () => {
    const [, line, carets] = messageOf(() => checkValue(placed('w +', '\tx:\t w +'), scope)).split('\n');
    expect(line).toBe('  12 │ \tx:\t w +');
    expect(carets).toBe('     │ \t  \t    ^');
  });

  it('show a window of a long line', () => {
    const formula = `${'w + '.repeat(100)}oops${' + w'.repeat(100)}`;
    const lines = messageOf(() => worth(formula)).split('\n');
    expect(lines[1]?.length).toBeLessThan(140);
    expect(lines[1]?.slice(lines[2]?.indexOf('^'), (lines[2]?.indexOf('^') ?? 0) + 4)).toBe('oops');
  });

  it('are counted in lines of a formula of several lines', () => {
    expect(
      messageOf(() => worth('w +\n  oops'))
        .split('\n')
        .slice(0, 3),
    ).toEqual(['job.yaml:2:3: unknown name `oops`', '  2 │   oops', '    │   ^^^^']);
  });
});
