/** Compiles and runs the native peers. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readField } from '../../src/job/values.ts';
import type { Prepared } from '../../src/prepare.ts';
import { cProgram } from './c-program.ts';

const flags = ['-O3', '-march=native', '-ffast-math', '-fopenmp'];

export interface NativeTime {
  readonly seconds: number;
  readonly loss: number;
  /** Σ|dL/dY0| over the evolving sources (or Σ|Γ| when none evolve). */
  readonly check: number;
}

/** A folder for binaries, removed at the end. */
export class Native implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'skewflow-native-'));

  /** Whether a C compiler is there. */
  static available(): boolean {
    try {
      execFileSync('gcc', ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  }

  /** The hand-written peer. */
  lddmm(
    mode: 'forward' | 'gradient' | 'sources' | 'sum',
    n: number,
    m: number,
    steps: number,
    repeats: number,
  ): NativeTime {
    const binary = join(this.#folder, 'lddmm');
    execFileSync('gcc', [...flags, join(import.meta.dirname, 'lddmm.c'), '-o', binary, '-lm']);
    return JSON.parse(
      execFileSync(binary, [mode, ...[n, m, steps, repeats].map(String)], { encoding: 'utf8' }),
    );
  }

  /** C generated from a program's own kernels, on the job's own data. */
  async generated(prepared: Prepared, mode: 'forward' | 'gradient', repeats: number): Promise<NativeTime> {
    const { program, fields, job, grid } = prepared;
    const { system } = program;
    const source = join(this.#folder, 'peer.c');
    const input = join(this.#folder, 'input');
    const binary = join(this.#folder, 'peer');
    writeFileSync(source, cProgram(program));
    execFileSync('gcc', [...flags, `-I${import.meta.dirname}`, '-w', source, '-o', binary, '-lm']);
    const m = system.sources?.rows ?? 0;
    const n = system.tracers?.rows ?? 0;
    const parts: Float32Array[] = [];
    for (const p of system.params) parts.push(Float32Array.from(fields.get(p.name) ?? []));
    for (const list of [system.sources?.evolving ?? [], system.sources?.constant ?? []]) {
      parts.push(
        interleave(
          list.map((f) => ({ width: f.width, data: fields.get(f.name) ?? new Float64Array(0) })),
          m,
        ),
      );
    }
    for (const list of [system.tracers?.evolving ?? [], system.tracers?.constant ?? []]) {
      for (const f of list) parts.push(planes(await readField(job, f.name, 0, n), f.width, n));
    }
    writeFileSync(input, Buffer.concat(parts.map((p) => Buffer.from(p.buffer, p.byteOffset, p.byteLength))));
    const steps = grid.times.length - 1;
    const h = (grid.times[1] ?? 1) - (grid.times[0] ?? 0);
    return JSON.parse(
      execFileSync(binary, [input, ...[n, m, steps, h, repeats].map(String), mode], { encoding: 'utf8' }),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Rows of several fields side by side. */
function interleave(
  fields: readonly { width: number; data: ArrayLike<number> }[],
  rows: number,
): Float32Array {
  const columns = fields.reduce((n, f) => n + f.width, 0);
  const out = new Float32Array(rows * columns);
  let at = 0;
  for (const { width, data } of fields) {
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < width; c++) out[r * columns + at + c] = data[r * width + c] ?? 0;
    at += width;
  }
  return out;
}

/** Row-major to planes. */
function planes(data: ArrayLike<number>, width: number, rows: number): Float32Array {
  const out = new Float32Array(rows * width);
  for (let r = 0; r < rows; r++) for (let c = 0; c < width; c++) out[c * rows + r] = data[r * width + c] ?? 0;
  return out;
}
