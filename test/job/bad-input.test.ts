/** What a job that is wrong says: every kind of mistake with its whole message, place and caret included. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { npyBytes } from '../../src/arrays/npy-writer.ts';
import { loadJob } from '../../src/job/load.ts';
import { readField } from '../../src/job/values.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { jobIn, refusal, sound, soundWith } from './jobs.ts';

/** [what is wrong, beginning of the line that is replaced, its replacement, the message]. */
type Case = readonly [what: string, start: string, line: string, message: string];

describe('the form of the job', () => {
  test.each<Case>([
    [
      'an unknown key at the top',
      'integrate',
      'integrat: { scheme: rk4, from: 0, to: 1, steps: 10 }',
      `
job.yaml:16:1: unknown key \`integrat\` in the job
  16 │ integrat: { scheme: rk4, from: 0, to: 1, steps: 10 }
     │ ^^^^^^^^ did you mean \`integrate\`?`,
    ],
    [
      'an unknown key in a map',
      'integrate',
      'integrate: { scheme: rk4, from: 0, to: 1, stepz: 10 }',
      `
job.yaml:16:43: unknown key \`stepz\` in \`integrate\`
  16 │ integrate: { scheme: rk4, from: 0, to: 1, stepz: 10 }
     │                                           ^^^^^ did you mean \`steps\`?`,
    ],
    [
      'an unknown key that resembles none',
      'gradient',
      'gradient: [p]\ncolour: red',
      `
job.yaml:19:1: unknown key \`colour\` in the job
  19 │ colour: red
     │ ^^^^^^ it takes \`name\`, \`sources\`, \`tracers\`, \`sets\`, \`pairs\`, \`params\`, \`let\`, \`flow\`, \`integrate\`, \`loss\`, \`gradient\`, \`optimize\`, \`values\`, \`output\`, \`shards\`, \`precision\`, \`memory\``,
    ],
    [
      'an unquoted formula inside braces',
      'loss',
      'loss: [{ value: mean(i, sqdist(x, goal)) }]',
      `
job.yaml:17:25: unknown key \`sqdist(x\` in a term of the loss
  17 │ loss: [{ value: mean(i, sqdist(x, goal)) }]
     │                         ^^^^^^^^ it takes \`at\`, \`value\`, \`integral\`, \`with\`
  quote the formula: inside { } or [ ] one that holds a comma or a bracket stands in quotes`,
    ],
    [
      'an unquoted formula in a map of formulas inside braces',
      'params',
      'values: { s: sum(j, p[j]) }\nparams:',
      `
job.yaml:9:22: not YAML: Missing , or : between flow map items
  9 │ values: { s: sum(j, p[j]) }
    │                      ^
  quote the formula: inside { } or [ ] one that holds a comma or a bracket stands in quotes`,
    ],
    [
      'an unquoted formula that YAML takes for two entries',
      'params',
      'values: { s: sum(j, p) }\nparams:',
      `
job.yaml:9:21: \`p)\` has no value: expected a formula: text, or a number
  9 │ values: { s: sum(j, p) }
    │                     ^^
  quote the formula: inside { } or [ ] one that holds a comma or a bracket stands in quotes`,
    ],
    [
      'an unquoted formula with an index inside braces',
      'loss',
      'loss: [{ value: q[j] }]',
      `
job.yaml:17:18: not YAML: Unexpected flow-seq-start at node end
  17 │ loss: [{ value: q[j] }]
     │                  ^
  quote the formula: inside { } or [ ] one that holds a comma or a bracket stands in quotes`,
    ],
    [
      'a formula that is indented with a tab',
      'loss',
      'loss:\n\t- sum(j, p[j])',
      `
job.yaml:18:1: not YAML: Tabs are not allowed as indentation
  18 │ \t- sum(j, p[j])
     │ ^
  indent with spaces`,
    ],
    [
      'a scheme that is none',
      'integrate',
      'integrate: { scheme: rk5, from: 0, to: 1, steps: 10 }',
      `
job.yaml:16:22: a scheme is one of \`dopri5\`, \`euler\`, \`heun\`, \`leapfrog\`, \`ralston\`, \`rk4\`
  16 │ integrate: { scheme: rk5, from: 0, to: 1, steps: 10 }
     │                      ^^^ did you mean \`rk4\`?`,
    ],
    [
      'a key that is missing',
      'integrate',
      'integrate: { scheme: rk4, steps: 10 }',
      `
job.yaml:16:12: \`integrate\` has no \`to\`: expected a finite number
  16 │ integrate: { scheme: rk4, steps: 10 }
     │            ^^^^^^^^^^^^^^^^^^^^^^^^^^`,
    ],
    [
      'a key in the place of another',
      'integrate',
      'integrate: { scheme: rk4, t0: 0, t1: 1, steps: 10 }',
      `
job.yaml:16:27: unknown key \`t0\` in \`integrate\`
  16 │ integrate: { scheme: rk4, t0: 0, t1: 1, steps: 10 }
     │                           ^^ did you mean \`to\`?`,
    ],
    [
      'steps of 0',
      'integrate',
      'integrate: { scheme: rk4, from: 0, to: 1, steps: 0 }',
      `
job.yaml:16:50: \`steps\` is 1 or more
  16 │ integrate: { scheme: rk4, from: 0, to: 1, steps: 0 }
     │                                                  ^`,
    ],
    [
      'steps below 0',
      'integrate',
      'integrate: { scheme: rk4, from: 0, to: 1, steps: -5 }',
      `
job.yaml:16:50: \`steps\` is 1 or more
  16 │ integrate: { scheme: rk4, from: 0, to: 1, steps: -5 }
     │                                                  ^^`,
    ],
    [
      'steps that are no whole number',
      'integrate',
      'integrate: { scheme: rk4, from: 0, to: 1, steps: 2.5 }',
      `
job.yaml:16:50: \`steps\`: expected a whole number
  16 │ integrate: { scheme: rk4, from: 0, to: 1, steps: 2.5 }
     │                                                  ^^^`,
    ],
    [
      'a generator that is none',
      '  x: { uniform',
      'x: { unifrm: [-1, 1] }',
      `
job.yaml:6:6: \`x\`: expected a path, a number, a list of numbers, or a map with one of \`uniform\`, \`normal\`, \`grid\`, \`linspace\`, \`constant\`
  6 │   x: { unifrm: [-1, 1] }
    │      ^^^^^^^^^^^^^^^^^^^ did you mean \`uniform\`?`,
    ],
    [
      'an unknown key in a generator',
      '  x: { uniform',
      'x: { uniform: [-1, 1], dims: 3 }',
      `
job.yaml:6:26: unknown key \`dims\` in a \`uniform\` generator
  6 │   x: { uniform: [-1, 1], dims: 3 }
    │                          ^^^^ did you mean \`dim\`?`,
    ],
    [
      'a generator with a wrong argument',
      '  x: { uniform',
      'x: { uniform: 3, dim: 3 }',
      `
job.yaml:6:17: \`uniform\`: expected two numbers: [low, high]
  6 │   x: { uniform: 3, dim: 3 }
    │                 ^`,
    ],
    [
      'a value that is nothing',
      'sigma',
      'sigma:',
      `
job.yaml:10:3: \`sigma\` has no value: expected a path, a number, a list of numbers, or a map with one of \`uniform\`, \`normal\`, \`grid\`, \`linspace\`, \`constant\`
  10 │   sigma:
     │   ^^^^^`,
    ],
    [
      'zero rows',
      'rows: 100',
      'rows: 0',
      `
job.yaml:8:9: there is at least one row
  8 │   rows: 0
    │         ^`,
    ],
    [
      'a key that occurs twice',
      'sigma',
      'sigma: 1\nsigma: 2',
      `
job.yaml:11:3: this key occurs twice
  11 │   sigma: 2
     │   ^^^^^`,
    ],
    [
      'a name with a slash',
      'gradient',
      'gradient: [p]\nname: ../../etc',
      `
job.yaml:19:7: a name is letters, digits, \`_\`, \`.\`, \`-\` and spaces, at most 100: it names the output folder
  19 │ name: ../../etc
     │       ^^^^^^^^^`,
    ],
    [
      'an amount of memory without a unit that is known',
      'gradient',
      'gradient: [p]\nmemory: 2 GIGS',
      `
job.yaml:19:9: an amount of memory is a number of bytes or a text such as 512MiB, 2GiB
  19 │ memory: 2 GIGS
     │         ^^^^^^`,
    ],
    [
      'both value and integral',
      'loss',
      'loss: [{ value: "1", integral: "1" }]',
      `
job.yaml:17:8: a term of the loss has only one of \`value\` and \`integral\`
  17 │ loss: [{ value: "1", integral: "1" }]
     │        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^`,
    ],
    [
      'both steps and tolerance',
      'integrate',
      'integrate: { scheme: dopri5, to: 1, steps: 3, tolerance: { abs: 1e-6, rel: 1e-6 } }',
      `
job.yaml:16:1: \`integrate\` takes only one of \`steps\` and \`tolerance\`
  16 │ integrate: { scheme: dopri5, to: 1, steps: 3, tolerance: { a…
     │ ^^^^^^^^^`,
    ],
    [
      'a tolerance for a scheme without an error estimate',
      'integrate',
      'integrate: { scheme: rk4, to: 1, tolerance: { abs: 1e-6, rel: 1e-6 } }',
      `
job.yaml:16:34: \`rk4\` has no error estimate
  16 │ integrate: { scheme: rk4, to: 1, tolerance: { abs: 1e-6, rel: 1e-6 } }
     │                                  ^^^^^^^^^ use \`scheme: dopri5\`, or \`steps\``,
    ],
    [
      'time that runs backward',
      'integrate',
      'integrate: { scheme: rk4, from: 1, to: 0, steps: 10 }',
      `
job.yaml:16:40: time runs forward: \`to\` (0) must be above \`from\` (1)
  16 │ integrate: { scheme: rk4, from: 1, to: 0, steps: 10 }
     │                                        ^`,
    ],
  ])('%s', async (_what, start, line, message) => {
    expect((await refusal(soundWith(start, line))).message).toBe(message.trimStart());
    expect(await refusal(soundWith(start, line))).toMatchObject({ tag: 'JobFileError' });
  });

  test('a tolerance that no source could keep', async () => {
    const text =
      'tracers: { x: [1] }\nflow: { x: -x }\nintegrate: { scheme: dopri5, to: 1, tolerance: { abs: 1, rel: 1 } }\nloss: sum(i, x)\n';
    expect((await refusal(text)).message).toContain('the sources choose the steps, and no source evolves');
  });

  test.each([
    ['no fields at all', 'loss: 1\n', 'a job has `sources`, `tracers` or both'],
    ['nothing that is asked for', 'tracers: { x: [1] }\n', 'the job asks for nothing'],
    [
      'a flow without integrate',
      'tracers: { x: [1] }\nflow: { x: -x }\nloss: sum(i, x)\n',
      'a flow needs `integrate`',
    ],
    [
      'integrate without a flow',
      'tracers: { x: [1] }\nintegrate: { scheme: rk4, to: 1, steps: 1 }\nloss: sum(i, x)\n',
      'nothing evolves',
    ],
    [
      'a gradient without a loss',
      'tracers: { x: [1] }\nvalues: { y: x }\ngradient: [x]\n',
      '`gradient` needs a `loss`',
    ],
    ['a list', '- 1\n- 2\n', 'a job is a map'],
    ['nothing', '', 'a job is a map'],
    ['a text', 'hello\n', 'a job is a map'],
    ['two documents', 'loss: 1\n---\nloss: 2\n', 'not YAML'],
    ['a tag', 'loss: !!js/function 1\n', 'not YAML'],
    ['a reserved key of JavaScript', '__proto__: { x: 1 }\nloss: 1\n', 'unknown key `__proto__`'],
    ['lists nested without end', `loss: ${'['.repeat(60_000)}\n`, 'nested too deep'],
    [
      'aliases that multiply',
      `a: &a [x, x, x, x, x, x, x, x, x]\n${Array.from('bcdefgh', (n, i) => `${n}: &${n} [${`*${'abcdefg'[i]}, `.repeat(9)}1]`).join('\n')}\n`,
      'alias',
    ],
  ])('a document of %s', async (_what, text, message) => {
    const error = await refusal(text);
    expect(error).toMatchObject({ tag: 'JobFileError' });
    expect(error.message.toLowerCase()).toContain(message.toLowerCase());
  });
});

describe('the file', () => {
  test('that is missing', async () => {
    await expect(loadJob({ path: '/no/such/job.yaml' })).rejects.toMatchObject({
      tag: 'JobFileError',
      message: '/no/such/job.yaml: there is no such file',
    });
  });

  test('that is too large', async () => {
    const path = join(await temporaryFolder(), 'job.yaml');
    await writeFile(path, `# ${'x'.repeat(256 * 1024)}`);
    await expect(loadJob({ path })).rejects.toThrow(
      'a job file has at most 262144 bytes, this one 262146: keep numbers in array files',
    );
  });

  test('that is no text', async () => {
    const path = join(await temporaryFolder(), 'job.yaml');
    await writeFile(path, Buffer.from([0x93, 0x4e, 0x55]));
    await expect(loadJob({ path })).rejects.toThrow('this is not text in UTF-8');
  });

  test('that is a folder', async () => {
    await expect(loadJob({ path: await temporaryFolder() })).rejects.toThrow(
      'this is a folder, not a job file',
    );
  });
});

describe('formulas', () => {
  test.each<Case>([
    [
      'an unknown name',
      'loss',
      'loss: mean(i, sqdist(x, gaol))',
      `
job.yaml:17:25: unknown name \`gaol\`
  17 │ loss: mean(i, sqdist(x, gaol))
     │                         ^^^^ did you mean \`goal\`?`,
    ],
    [
      'widths that disagree',
      'x: sum',
      'x: sum(j, K(x, q[j]) * p[j]) + concat(1, 2)',
      `
job.yaml:14:32: \`+\` takes equal widths or width 1: the left side has width 3, the right side 2
  14 │   x: sum(j, K(x, q[j]) * p[j]) + concat(1, 2)
     │                                ^`,
    ],
    [
      'a tracer that is indexed',
      'x: sum',
      'x: x[i]',
      `
job.yaml:14:6: `,
    ],
    [
      "a tracer in a source's flow",
      'q: sum(k',
      'q: x',
      `
job.yaml:15:6: `,
    ],
    [
      'a mistake in a later line of a block',
      'x: sum',
      'x: |\n  sum(j,\n    K(x, q[j])\n      * pp[j])',
      `
job.yaml:17:11: unknown name \`pp\`
  17 │         * pp[j])
     │           ^^`,
    ],
    [
      'a mistake inside quotes and braces',
      'loss',
      `loss: [{ at: end, value: 'mean(i, sqdist(x, goall))' }]`,
      `
job.yaml:17:45: unknown name \`goall\`
  17 │ loss: [{ at: end, value: 'mean(i, sqdist(x, goall))' }]
     │                                             ^^^^^ did you mean \`goal\`?`,
    ],
    [
      'a mistake in the body of a let entry',
      'K(a, b)',
      'K(a, b): exp(-sqdist(a, b) / sigmma^2)',
      `
job.yaml:12:32: unknown name \`sigmma\``,
    ],
    [
      'a let key that is none',
      'K(a, b)',
      'K(a, : 1',
      `
job.yaml:12:`,
    ],
    [
      'a width that the field does not have',
      'x: sum',
      'x: 1',
      `
job.yaml:14:6: the flow of \`x\` has width 1, the field width 3: they must be equal`,
    ],
  ])('%s', async (_what, start, line, message) => {
    const error = await refusal(soundWith(start, line));
    expect(error.message.startsWith(message.trimStart()), error.message).toBe(true);
    expect(error).toMatchObject({ tag: 'FormulaError' });
  });

  test('a flow of something that does not evolve', async () => {
    const error = await refusal(soundWith('q: sum(k', 'sigma: 1'));
    expect(error.message).toBe(
      `
job.yaml:15:3: \`sigma\` is no field of the sources or the tracers: only those evolve
  15 │   sigma: 1
     │   ^^^^^
  fields: \`q\`, \`p\`, \`x\` and \`goal\``.trimStart(),
    );
  });

  test('a name that is taken', async () => {
    const error = await refusal(soundWith('sigma: 0.5', 'q: 1'));
    expect(error.message).toContain(
      'job.yaml:10:3: `q` is a field of the sources and cannot also be a parameter of the job',
    );
  });

  test('a name that is reserved', async () => {
    const error = await refusal(soundWith('goal', 't: 1'));
    expect(error.message).toContain('job.yaml:7:3: `t` is the time');
  });

  test('a let entry that is defined twice', async () => {
    const error = await refusal(soundWith('K(a, b)', 'K(a, b): 1\nK(a): 2'));
    expect(error.message).toContain('job.yaml:13:3: `K` is defined twice');
  });
});

describe('arrays', () => {
  test.each<Case>([
    [
      'a missing file',
      '  x: { uniform',
      'x: vertices.npy # N×3',
      `
job.yaml:6:6: vertices.npy: there is no such file
  6 │   x: vertices.npy # N×3
    │      ^^^^^^^^^^^^`,
    ],
    [
      'a ragged list',
      '  x: { uniform',
      'x: [[1, 2], [3]]',
      `
job.yaml:6:6: inline: element [1] is a list of 1, where the first has 2`,
    ],
    [
      'a quoted number',
      'sigma',
      'sigma: "0.5"',
      `
job.yaml:10:10: 0.5: this is text: a number is written without quotes`,
    ],
    ['zarr', '  x: { uniform', 'x: points.zarr', '\njob.yaml:6:6: points.zarr: there is no such file'],
    [
      'an address inside the network',
      '  x: { uniform',
      'x: https://127.0.0.1/x.npy',
      '\njob.yaml:6:6: https://127.0.0.1/x.npy: 127.0.0.1 is 127.0.0.1, no public address',
    ],
  ])('%s', async (_what, start, line, message) => {
    const error = await refusal(soundWith(start.trim(), line));
    expect(error.message.startsWith(message.trimStart()), error.message).toBe(true);
    expect(error).toMatchObject({ tag: 'InputError' });
  });

  test.each<Case>([
    [
      'tracers that disagree in rows',
      'rows: 100',
      'w: [1, 2, 3]\nv: [1, 2]',
      '\njob.yaml:9:6: rows disagree in `tracers`: `v` has 2, `w` has 3\n  9 │   v: [1, 2]\n    │      ^^^^^^',
    ],
    [
      'rows that say otherwise',
      'rows: 100',
      'w: [1, 2, 3]\nrows: 4',
      '\njob.yaml:8:6: rows disagree in `tracers`: `w` has 3, `rows` says 4',
    ],
    ['no rows in a list', 'rows: 100', 'w: []\nrows: 100', '\njob.yaml:8:6: `w` has no rows'],
    ['no components in a list', 'rows: 100', 'w: [[], []]', '\njob.yaml:8:6: `w` has no components'],
    [
      'an array of three axes for rows',
      'rows: 100',
      'w: [[[1, 2], [3, 4]]]',
      '\njob.yaml:8:6: inline: an array of rows has shape (rows,) or (rows, components), not (1, 2, 2): a row is a vector: reshape it to (1, 4)',
    ],
    [
      'a grid as a parameter',
      'sigma',
      'sigma: { grid: [[0, 1, 3]] }',
      '\njob.yaml:10:10: a parameter is one vector, and grid makes rows',
    ],
  ])('%s', async (_what, start, line, message) => {
    const error = await refusal(soundWith(start, line));
    expect(error.message.startsWith(message.trimStart()), error.message).toBe(true);
    expect(error).toMatchObject({ tag: 'ShapeError' });
  });

  test('nothing that says how many rows there are', async () => {
    const error = await refusal(sound.replace('  rows: 100\n', ''));
    expect(error.message).toBe(
      `
job.yaml:5:1: nothing says how many rows \`tracers\` has
  5 │ tracers:
    │ ^^^^^^^ add \`rows: 1000\``.trimStart(),
    );
  });

  test('a truncated .npy says expected and actual bytes', async () => {
    const folder = await temporaryFolder();
    const bytes = npyBytes('f8', [4, 3], new Float64Array(12));
    await writeFile(join(folder, 'x.npy'), bytes.subarray(0, 200));
    const error = await refusal(soundWith('x: { uniform', 'x: x.npy'), [], folder);
    expect(error.message).toContain('job.yaml:6:6: x.npy: the file is truncated');
    expect(error.message).toContain('needs 224 bytes, the file has 200');
  });

  test('a big-endian .npy of integers is converted', async () => {
    const folder = await temporaryFolder();
    const header = npyBytes('f8', [2, 1], new Float64Array(2)).subarray(0, 128).toString('latin1');
    const data = Buffer.alloc(8);
    data.writeInt32BE(-3, 0);
    data.writeInt32BE(70000, 4);
    await writeFile(
      join(folder, 'x.npy'),
      Buffer.concat([Buffer.from(header.replace('<f8', '>i4'), 'latin1'), data]),
    );
    const job = await jobIn('tracers: { x: x.npy }\nloss: sum(i, x)\n', [], folder);
    expect([...(await readField(job, 'x', 0, 2))]).toEqual([-3, 70000]);
  });

  test('a .npy in Fortran order is refused', async () => {
    const folder = await temporaryFolder();
    const bytes = npyBytes('f8', [2, 2], new Float64Array(4))
      .toString('latin1')
      .replace("'fortran_order': False", "'fortran_order': True ");
    await writeFile(join(folder, 'x.npy'), bytes, 'latin1');
    const error = await refusal('tracers: { x: x.npy }\nloss: sum(i, sqnorm(x))\n', [], folder);
    expect(error.message).toContain('the array is in Fortran order');
  });

  test('NaN is refused when it is read, by row', async () => {
    const folder = await temporaryFolder();
    const values = new Float64Array(12);
    values[7] = NaN;
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', 'x.npy'), npyBytes('f8', [4, 3], values));
    const job = await jobIn('tracers: { x: data/x.npy }\nloss: sum(i, sqnorm(x))\n', [], folder);
    await expect(readField(job, 'x', 1, 4)).rejects.toThrow(
      '`x` holds NaN at row 2, component 1 (both from 0) of data/x.npy',
    );
    await expect(readField(job, 'x', 3, 4)).resolves.toHaveLength(3);
  });
});

describe('times of the loss', () => {
  const term = (text: string): string =>
    soundWith('loss', `loss: [{ ${text}, value: "mean(i, sqdist(x, goal))" }]`);
  test.each([
    ['at: 1.5', 'job.yaml:17:14: loss time 1.5 lies outside the interval [0, 1]'],
    ['at: -0.1', 'job.yaml:17:14: loss time -0.1 lies outside the interval [0, 1]'],
    ['at: [0.5, 2]', 'job.yaml:17:20: loss time 2 lies outside the interval [0, 1]'],
    ['at: [0.5, 0.5]', 'job.yaml:17:20: loss times ascend: 0.5 does not come after 0.5'],
    ['at: [end, start]', 'job.yaml:17:20: loss times ascend: 0 does not come after 1'],
    ['at: []', 'job.yaml:17:14: at least one time'],
    ['at: later', 'job.yaml:17:14: `at` is `start`, `end`, `every step`, a time or a list of times'],
  ])('%s', async (at, message) => {
    expect((await refusal(term(at))).message).toContain(message);
  });

  test('a moment outside the interval', async () => {
    const error = await refusal(soundWith('loss', 'loss: mean(i, sqdist(x, x@2))'));
    expect(error.message).toContain('job.yaml:17:7: `@2` lies outside the interval [0, 1]');
  });

  test('an integral, or a time, without `integrate`', async () => {
    const job = (term: string): string => `tracers: { x: [1] }\nloss: [{ ${term} }]\n`;
    expect((await refusal(job('integral: "sum(i, x)"'))).message).toContain('an integral needs `integrate`');
    expect((await refusal(job('at: 0.5, value: "sum(i, x)"'))).message).toContain(
      'without `integrate` there is no time',
    );
  });

  test('an integral with a time', async () => {
    const error = await refusal(soundWith('loss', 'loss: [{ at: end, integral: "sum(i, sqnorm(x))" }]'));
    expect(error.message).toContain('an integral runs from start to end');
  });
});

describe('the gradient', () => {
  const flat = (loss: string, name: string): Promise<{ message: string }> =>
    refusal(sound.replace(/loss: .*/u, `loss: ${loss}`).replace(/gradient: .*/u, `gradient: [${name}]`));

  test.each<Case>([
    [
      'of something that does not exist',
      'gradient',
      'gradient: [p, sigmma]',
      `
job.yaml:18:15: there is no field \`sigmma\`: a gradient is with respect to a field of sources, sets, pairs, tracers or params
  18 │ gradient: [p, sigmma]
     │               ^^^^^^ did you mean \`sigma\`?
  fields: \`q\`, \`p\`, \`x\`, \`goal\` and \`sigma\``,
    ],
    [
      'of a formula',
      'gradient',
      'gradient: [K]',
      '\njob.yaml:18:12: `K` is a formula of `let`: a gradient is with respect to',
    ],
    ['of a group', 'gradient', 'gradient: [tracers]', '\njob.yaml:18:12: `tracers` is a group, not a field'],
    ['twice', 'gradient', 'gradient: [p, p]', '\njob.yaml:18:15: `p` occurs twice'],
    ['that is no list', 'gradient', 'gradient: p', '\njob.yaml:18:11: `gradient` is a list of names'],
  ])('%s', async (_what, start, line, message) => {
    const error = await refusal(soundWith(start, line));
    expect(error.message.startsWith(message.trimStart()), error.message).toBe(true);
    expect(error).toMatchObject({ tag: 'JobFileError' });
  });

  test('of what the loss does not depend on', async () => {
    expect((await flat('mean(i, sqnorm(x))', 'goal')).message).toContain(
      'the loss does not depend on `goal`: its gradient is identically zero',
    );
  });

  test.each(['sum(i, floor(goal) * x)', 'sum(i, sum(goal > 0) * sum(x))', 'sum(i, sum(sign(goal)))'])(
    'of what the loss depends on through flat functions only: %s',
    async (loss) => {
      expect((await flat(`sqnorm(${loss})`, 'goal')).message).toContain(
        'the loss is not differentiable in `goal`',
      );
    },
  );

  test('of an array of a loss term', async () => {
    const text = soundWith(
      'loss',
      'loss: [{ value: "sum(i, sqdist(x, seen))", with: { seen: { constant: [0, 0, 0] } } }]',
    );
    const error = await refusal(text.replace(/gradient: .*/u, 'gradient: [seen]'));
    expect(error.message).toContain('`seen` is an array of a loss term');
  });
});

describe('what is optimised', () => {
  const optimize = (text: string): string => `${sound}optimize: { ${text} }\n`;
  test.each([
    ['over: [x]', '`x` belongs to the tracers: sources, sets, pairs and params are optimised'],
    ['over: [y]', 'there is no field `y`'],
    ['over: []', '`over` names at least one field'],
    ['over: [p], bounds: { q: [0, 1] }', '`q` is not optimised: it does not occur in `over`'],
    ['over: [p], bounds: { p: [1, 0] }', 'the lower bound 1 is above the upper bound 0'],
    ['over: [p], fixed: { p: [10] }', '`p` has rows 0 to 9'],
    ['over: [p], method: newton', 'a method is one of `lbfgs`, `adam`, `gd`'],
  ])('%s', async (text, message) => {
    expect((await refusal(optimize(text))).message).toContain(message);
  });

  test.each(['0 * sqnorm(x) * sigma', 'exp(x - x) * floor(sigma)', 'sigma^0'])(
    'has a gradient: %s cancels, and nothing is begun',
    async (term) => {
      const text = sound
        .replace('exp(-sqdist(a, b) / sigma^2)', 'exp(-sqdist(a, b))')
        .replace('loss: mean(i, sqdist(x, goal))', `loss: mean(i, sqdist(x, goal) + sum(${term}))`)
        .replace(/gradient: .*/u, 'gradient: [p]\noptimize: { over: [p, sigma] }');
      const { tag, message } = await refusal(text);
      expect(tag).toBe('JobFileError');
      expect(message).toMatch(/job\.yaml:19:\d+: .*`sigma`.*its gradient is identically zero/u);
    },
  );
});
