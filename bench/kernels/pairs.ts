/**
 * How many pairs a second one thread computes, formula by formula, forward and in the fused backward pass.
 *
 *   npx tsx bench/kernels/pairs.ts [--lane f32x4|f64x2] [--no-fma] [--vectors 1,2,3,4] [--abreast 1,2,4] [--only NAME] [--listing] [--json]
 *
 * N rows against M bound rows, everything in cache as it is within a sweep; the best of the batches after warm-up.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { vjp } from '../../src/kernels/autodiff/vjp.ts';
import { leafKey } from '../../src/kernels/ir/expr.ts';
import type { Kernel } from '../../src/kernels/ir/kernel.ts';
import type { RowFunction } from '../../src/kernels/ir/row-function.ts';
import { lower } from '../../src/kernels/lower/lower.ts';
import { simplify } from '../../src/kernels/simplify/simplify.ts';
import type { Lane } from '../../src/kernels/wasm/frame.ts';
import { rowsAbreastOf, vectorsOf } from '../../src/kernels/wasm/row-kernel.ts';
import * as samples from '../../test/kernels/lower/functions.ts';
import { layout, world } from '../../test/kernels/lower/world.ts';
import { compileKernel, prepare } from '../../test/kernels/wasm/run-kernel.ts';

const { values: options } = parseArgs({
  options: {
    lane: { type: 'string', default: 'f32x4' },
    'no-fma': { type: 'boolean', default: false },
    vectors: { type: 'string', default: '' },
    abreast: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    listing: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    rows: { type: 'string', default: '1020' },
    sources: { type: 'string', default: '1024' },
    seconds: { type: 'string', default: '0.3' },
  },
});
const lane: Lane = options.lane === 'f64x2' ? 'f64x2' : 'f32x4';
const [rows, sources] = [Number(options.rows), Number(options.sources)];

/** The fused backward of a row function: ζ, Γ and θ̄ in one pass. */
function transposed(fn: RowFunction): RowFunction {
  const seeds = fn.planes.map((p) => ({ value: p.value, cotangent: samples.kappa }));
  const { own, rowSums, scatters } = vjp(seeds, (leaf) => leaf.role !== 'index' && leaf.role !== 'time');
  const zeta = own.get(leafKey({ role: 'own', field: 'x', at: 'now' }));
  return {
    name: `${fn.name}.vjp`,
    planes: zeta === undefined ? [] : [{ name: 'f', value: zeta.value }],
    rowSums,
    scatters,
  };
}

function simplified(fn: RowFunction): RowFunction {
  return { ...fn, planes: fn.planes.map((p) => ({ ...p, value: simplify(p.value) })) };
}

/** Billions of pairs a second of processor time; the best batch of about 10 ms, the least disturbed by other work. */
function measure(kernel: Kernel, vectors: number, abreast: number): number {
  const compiled = compileKernel(kernel, { lane, fma: !options['no-fma'], vectors, abreast }, 256);
  const { frame } = prepare(kernel, lane, compiled, world(1, rows, sources, sources));
  const begin = performance.now();
  let calls = 0;
  while (calls < 20 || performance.now() - begin < 50) {
    compiled.run(frame);
    calls++;
  }
  const batch = Math.max(1, Math.round((10 * calls) / (performance.now() - begin)));
  const times = Array.from({ length: Math.ceil(100 * Number(options.seconds)) }, () => {
    const start = process.cpuUsage();
    for (let n = 0; n < batch; n++) compiled.run(frame);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / batch;
  }).sort((a, b) => a - b);
  return (rows * sources) / (times[0] ?? Number.NaN) / 1e3;
}

const formulas = [
  samples.gaussianSum,
  samples.gravity,
  samples.vortices,
  samples.network,
  samples.logSumExp,
].filter((f) => f.name.includes(options.only));
const results = formulas.flatMap((fn) =>
  [simplified(fn), transposed(fn)].map((part) => {
    const kernel = lower(part, layout);
    const chosen = (list: string, byDefault: number): readonly number[] =>
      list === '' ? [byDefault] : list.split(',').map(Number);
    const choices = chosen(options.vectors, vectorsOf(kernel)).flatMap((vectors) =>
      chosen(options.abreast, rowsAbreastOf(kernel)).map((abreast) => ({ vectors, abreast })),
    );
    if (options.listing)
      console.log(compileKernel(kernel, { lane, fma: !options['no-fma'], ...choices[0] }).listing);
    const ops = kernel.values.filter((v) => v.kind === 'apply' && v.depth > 0).length;
    return {
      name: part.name,
      ops,
      gigapairs: Object.fromEntries(
        choices.map(({ vectors, abreast }) => [
          `${vectors}×${abreast}`,
          Number(measure(kernel, vectors, abreast).toFixed(3)),
        ]),
      ),
    };
  }),
);
const machine = {
  cpu: cpus()[0]?.model,
  node: process.version,
  lane,
  fma: !options['no-fma'],
  rows,
  sources,
};
if (options.json) console.log(JSON.stringify({ machine, results }, null, 2));
else {
  console.log(machine);
  console.table(Object.fromEntries(results.map((r) => [r.name, { ops: r.ops, ...r.gigapairs }])));
}
