import { describe, expect, it } from 'vitest';
import { ModuleBuilder } from '../../../src/kernels/wasm/module.ts';
import { disassembled } from './wabt.ts';

describe('a module', () => {
  it('runs what was written', () => {
    const module = new ModuleBuilder(null);
    // Σ_{k < n} k², by a counted loop.
    module.define('squares', { parameters: [['n', 'i32']], results: ['i32'] }, (body, n) => {
      const [k, sum] = [body.local('i32', 'k'), body.local('i32', 'sum')];
      body.count(k, n!, () => body.get(sum).get(k).get(k).emit('i32.mul').emit('i32.add').set(sum));
      body.get(sum);
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module.bytes()));
    const squares = instance.exports['squares'] as (n: number) => number;
    expect([squares(0), squares(1), squares(10)]).toEqual([0, 0, 285]);
  });

  it('imports functions and a shared memory, copies data, and names its functions', () => {
    const module = new ModuleBuilder({
      module: 'env',
      name: 'memory',
      pagesMin: 1,
      pagesMax: 65536,
      shared: true,
    });
    const log = module.importFunction('env', 'log', { parameters: [['x', 'f64']], results: [] });
    module.data(0xfff0, Uint8Array.of(1, 2, 3));
    const half = module.define(
      'Σ½',
      { parameters: [['x', 'f64']], results: ['f64'] },
      (body, x) => body.get(x!).emit('f64.const', 0.5).emit('f64.mul'),
      'internal',
    );
    module.define('main', { parameters: [], results: [] }, (body) => {
      body.emit('f64.const', -0).emit('call', half.index).emit('call', log.index);
      body.i32(0).i32(-1).emit('i32.atomic.rmw.add', 200).emit('drop').emit('atomic.fence');
    });
    expect(disassembled(module.bytes())).toMatchInlineSnapshot(`
      "(module
        (type (;0;) (func (param f64)))
        (type (;1;) (func (param f64) (result f64)))
        (type (;2;) (func))
        (import "env" "memory" (memory (;0;) 1 65536 shared))
        (import "env" "log" (func $log (type 0)))
        (func $____ (type 1) (param f64) (result f64)
          local.get 0
          f64.const 0x1p-1 (;=0.5;)
          f64.mul)
        (func $main (export "main") (type 2)
          f64.const -0x0p+0 (;=-0;)
          call 1
          call 0
          i32.const 0
          i32.const -1
          i32.atomic.rmw.add offset=200
          drop
          atomic.fence)
        (data (;0;) (i32.const 65520) "\\01\\02\\03"))
      "
    `);
  });
});
