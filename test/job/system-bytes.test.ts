import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemFromBytes, systemToBytes } from '../../src/job/system-bytes.ts';
import { apply, constant, input } from '../../src/kernels/ir/expr.ts';
import { flatten, unflatten } from '../../src/kernels/ir/flat-graph.ts';
import { compileProgram } from '../../src/kernels/sweep/compile.ts';
import { emitProgram } from '../../src/kernels/wasm/emit-program.ts';
import { systemOf } from '../kernels/systems.ts';
import { importable } from '../setup/build.ts';
import { cases } from '../worker/engine/cases.ts';

describe('a system sent as bytes', () => {
  test('has the same, shared formulas in the same process', () => {
    for (const { text } of cases) {
      const { system } = systemOf(text);
      const there = systemFromBytes(systemToBytes(system));
      expect(there).toEqual(system);
      for (const [name, e] of system.flow) expect(there.flow.get(name)).toBe(e);
      for (const [n, term] of system.terms.entries()) expect(there.terms[n]?.value).toBe(term.value);
    }
  });

  test('compiles to the same code in another process', () => {
    const folder = mkdtempSync(join(tmpdir(), 'skewflow-system-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const chosen = cases.filter((_, n) => n % 9 === 0);
    const files = chosen.map(({ text }, n) => {
      const file = join(folder, `${n}`);
      writeFileSync(file, systemToBytes(systemOf(text).system));
      return file;
    });
    const { url, execArgv } = importable();
    const from = (path: string): string => JSON.stringify(url(path));
    const script = `
      import { createHash } from 'node:crypto';
      import { readFileSync } from 'node:fs';
      import { systemFromBytes } from ${from('job/system-bytes.ts')};
      import { compileProgram } from ${from('kernels/sweep/compile.ts')};
      import { emitProgram } from ${from('kernels/wasm/emit-program.ts')};
      for (const file of ${JSON.stringify(files)}.reverse()) {
        const program = compileProgram(systemFromBytes(readFileSync(file)));
        const { bytes } = emitProgram(program, { lane: 'f32x4', fma: true });
        console.log(Buffer.from(bytes).toString('base64'));
      }`;
    const said = execFileSync(process.execPath, [...execArgv, '--input-type=module', '--eval', script], {
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    const here = chosen.map(({ text }) =>
      Buffer.from(
        emitProgram(compileProgram(systemOf(text).system), { lane: 'f32x4', fma: true }).bytes,
      ).toString('base64'),
    );
    expect(said.trim().split('\n').reverse()).toEqual(here);
  });

  test('survives a chain too deep for a recursive copy, and keeps the negative zero', () => {
    let chain = apply('add', input({ role: 'time' }, 1), constant(-0));
    for (let n = 0; n < 50_000; n++) chain = apply('mul', chain, constant(1 / 3));
    const { nodes, placeOf } = flatten([chain]);
    expect(unflatten(nodes)[placeOf(chain)]).toBe(chain);
    expect(Object.is(constant(-0), constant(0))).toBe(false);
  });
});
