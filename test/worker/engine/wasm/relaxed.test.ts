import { describe, expect, it } from 'vitest';
import { ModuleBuilder } from '../../../../src/kernels/wasm/module.ts';
import { relaxedMadd } from '../../../../src/worker/engine/wasm/relaxed.ts';

/** Lane 0 of madd in double precision, compiled apart from the probe. */
function madd(): (a: number, b: number, c: number) => number {
  const builder = new ModuleBuilder(null);
  const parameters = [
    ['a', 'f64'],
    ['b', 'f64'],
    ['c', 'f64'],
  ] as const;
  builder.define('madd', { parameters, results: ['f64'] }, (body) => {
    for (const parameter of body.parameters) body.get(parameter).emit('f64x2.splat');
    body.emit('f64x2.relaxed_madd').emit('f64x2.extract_lane', 0);
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(builder.bytes()));
  return exports['madd'] as (a: number, b: number, c: number) => number;
}

describe('relaxed SIMD', () => {
  it('answers the same each time', () => {
    expect(relaxedMadd()).toBe(relaxedMadd());
  });

  it.skipIf(relaxedMadd() === 'absent')(
    'rounds in double precision as often as the probe found in single',
    () => {
      const x = 1 + 2 ** -30;
      expect(madd()(x, x, -(1 + 2 ** -29))).toBe(relaxedMadd() === 'fused' ? 2 ** -60 : 0);
    },
  );

  it.runIf(relaxedMadd() === 'absent')('is refused by the compiler where the probe found none', () => {
    expect(madd).toThrow();
  });
});
