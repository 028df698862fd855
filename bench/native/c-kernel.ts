/** Prints a kernel as C with vector extensions: what a C compiler makes of the same formula, for the native peers. */

import type { Kernel, LoopStep, Step, ValueId } from '../../src/kernels/ir/kernel.ts';
import type { OpName } from '../../src/kernels/ops/table.ts';

/** C of an op on vectors `vf`; functions are in `c-ops.h`. */
const infix: Partial<Record<OpName, string>> = { add: '+', sub: '-', mul: '*', div: '/' };

function expression(op: OpName, args: readonly string[]): string {
  const sign = infix[op];
  if (sign !== undefined) return `${args[0]} ${sign} ${args[1]}`;
  return op === 'neg' ? `-${args[0]}` : `v_${op}(${args.join(', ')})`;
}

/** Vectors of rows a pass; two hide the latency of the arithmetic. */
const vectors = 2;

/**
 * The kernel as a C function over `rows` rows (a multiple of 2 · LANES):
 *
 *   static void NAME(int rows, float time, const float *params, const struct args *a)
 *
 * where `a` holds `bank_<n>`, `table_<n>`, `count_<set>`, `plane_<n>`, `scatter_<table>` and `row_sums`, all planes `a->stride` floats apart.
 */
export function cKernel(kernel: Kernel): string {
  const scattered = scatterTables(kernel);
  const identifier = (s: string): string => s.replace(/\W/g, '_');
  const name = identifier(kernel.name);
  const lines: string[] = [];
  const at = (id: ValueId, v: number): string => {
    const value = kernel.values[id]!;
    return value.varies ? `x${id}_${v}` : `x${id}`;
  };

  const compute = (id: ValueId): string[] => {
    const value = kernel.values[id]!;
    if (value.kind === 'accumulated') return [];
    const copies = value.varies ? Array.from({ length: vectors }, (_, v) => v) : [0];
    return copies.map((v) => {
      const text = (): string => {
        switch (value.kind) {
          case 'apply':
            return expression(
              value.op,
              value.args.map((a) => at(a, v)),
            );
          case 'constant':
            return `splat(${value.value.toPrecision(9)}f)`.replace(/\((-?\d+)f\)/, '($1.f)');
          case 'index':
            return value.loop === null ? `v_iota(i + ${v} * LANES)` : `splat((float)l${value.loop})`;
          case 'own':
            return `*(vf *)(a->bank_${value.bank} + ${value.component} * a->stride + i + ${v} * LANES)`;
          case 'param':
            return `splat(params[${value.component}])`;
          case 'row': {
            const table = kernel.tables[value.table]!;
            return `splat(a->table_${value.table}[l${value.loop} * ${table.columns} + ${value.column}])`;
          }
          case 'time':
            return 'splat(time)';
          case 'pair':
          case 'sum':
            throw new Error(`the native peer does not print ${value.kind}`);
        }
      };
      return `vf ${at(id, v)} = ${text()};`;
    });
  };

  const block = (steps: readonly Step[], indent: string): void => {
    for (const step of steps) {
      if (step.kind === 'compute') lines.push(...compute(step.value).map((l) => indent + l));
      else loop(step, indent);
    }
  };

  const accumulatorName = (step: LoopStep, n: number, v: number): string => `acc${step.id}_${n}_${v}`;

  const loop = (step: LoopStep, indent: string): void => {
    const inner = `${indent}  `;
    for (const [n, acc] of step.accumulators.entries()) {
      if (acc.by !== 'sum') throw new Error(`the native peer does not print ${acc.by}`);
      for (let v = 0; v < vectors; v++) lines.push(`${indent}vf ${accumulatorName(step, n, v)} = splat(0);`);
    }
    lines.push(
      `${indent}for (int l${step.id} = 0; l${step.id} < a->count_${identifier(step.loop.over)}; l${step.id}++) {`,
    );
    block(step.steps, inner);
    const where = (w: ValueId | null, v: number, text: string): string =>
      w === null ? text : `v_where(${at(w, v)}, ${text})`;
    for (const [n, acc] of step.accumulators.entries()) {
      for (let v = 0; v < vectors; v++)
        lines.push(`${inner}${accumulatorName(step, n, v)} += ${where(acc.where, v, at(acc.value, v))};`);
    }
    for (const s of step.scatters) {
      if (s.target.kind !== 'row') throw new Error('the native peer does not print pairs');
      const table = kernel.tables[s.target.table];
      if (table === undefined) throw new Error('scatter without a table');
      const sum = Array.from({ length: vectors }, (_, v) => where(s.where, v, at(s.value, v))).join(' + ');
      lines.push(
        `${inner}a->scatter_${s.target.table}[l${s.target.loop} * ${table.columns} + ${s.target.column}] += ${sum};`,
      );
    }
    lines.push(`${indent}}`);
    for (const [id, value] of kernel.values.entries()) {
      if (value.kind !== 'accumulated' || value.loop !== step.id) continue;
      for (let v = 0; v < vectors; v++) {
        lines.push(`${indent}vf ${at(id, v)} = ${accumulatorName(step, value.accumulator, v)};`);
      }
    }
  };

  block(kernel.steps, '    ');
  for (const [p, plane] of kernel.planes.entries()) {
    for (const [c, id] of plane.values.entries()) {
      for (let v = 0; v < vectors; v++) {
        lines.push(`    *(vf *)(a->plane_${p} + ${c} * a->stride + i + ${v} * LANES) = ${at(id, v)};`);
      }
    }
  }
  for (const [n, sum] of kernel.rowSums.entries()) {
    const terms = Array.from({ length: vectors }, (_, v) => at(sum.value, v)).join(' + ');
    lines.push(`    a->row_sums[${n}] += ${terms};`);
  }
  const sets = [...new Set(kernel.tables.map((t) => t.over)), ...loopSets(kernel.steps)];
  return [
    `struct ${name}_args {`,
    '  int stride;',
    ...kernel.banks.map((_, b) => `  const float *bank_${b};`),
    ...kernel.tables.map((_, t) => `  const float *table_${t};`),
    ...[...new Set(sets)].map((s) => `  int count_${identifier(s)};`),
    ...kernel.planes.map((_, p) => `  float *plane_${p};`),
    ...[...scattered].map((t) => `  vf *scatter_${t};`),
    '  vf *row_sums;',
    '};',
    `static void ${name}(int rows, float time, const float *params, const struct ${name}_args *a) {`,
    '  (void)time, (void)params;',
    `  for (int i = 0; i < rows; i += ${vectors} * LANES) {`,
    ...lines,
    '  }',
    '}',
  ].join('\n');
}

/** Indices of the tables a kernel scatters to. */
export function scatterTables(kernel: Kernel): ReadonlySet<number> {
  const tables = new Set<number>();
  const visit = (steps: readonly Step[]): void => {
    for (const step of steps) {
      if (step.kind !== 'loop') continue;
      for (const s of step.scatters) if (s.target.kind === 'row') tables.add(s.target.table);
      visit(step.steps);
    }
  };
  visit(kernel.steps);
  return tables;
}

function loopSets(steps: readonly Step[]): string[] {
  return steps.flatMap((s) => (s.kind === 'loop' ? [s.loop.over, ...loopSets(s.steps)] : []));
}
