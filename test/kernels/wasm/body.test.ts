import { describe, expect, it } from 'vitest';
import { Body } from '../../../src/kernels/wasm/body.ts';
import { ModuleBuilder } from '../../../src/kernels/wasm/module.ts';

describe('a body', () => {
  it('lists what it does, blocks indented and locals named', () => {
    const body = new Body([['n', 'i32']]);
    const n = body.parameter(0);
    const k = body.local('i32', 'k');
    body.block((out) => {
      body.loop((again) => {
        body.get(k).get(n).emit('i32.ge_u').branchIf(out);
        body.increment(k, 1).branch(again);
      });
    });
    body.get(k).if(
      () => body.emit('nop'),
      () => body.emit('f32.const', -0).emit('drop'),
    );
    expect(body.listing()).toMatchInlineSnapshot(`
      "block
        loop
          local.get k.1
          local.get n.0
          i32.ge_u
          br_if 1
          local.get k.1
          i32.const 1
          i32.add
          local.set k.1
          br 0
        end
      end
      local.get k.1
      if
        nop
      else
        f32.const -0
        drop
      end"
    `);
  });

  it('counts branches from where they stand', () => {
    // The inner branch leaves the outer block: 1 where n is 0, else 2.
    const module = new ModuleBuilder(null);
    module.define('leave', { parameters: [['n', 'i32']], results: ['i32'] }, (body, n) => {
      body.block((outer) => {
        body.block((inner) => {
          body.get(n!).if(() => body.branch(inner));
          body.i32(1).set(n!).branch(outer);
        });
        body.i32(2).set(n!);
      });
      body.get(n!);
    });
    const { leave } = new WebAssembly.Instance(new WebAssembly.Module(module.bytes())).exports;
    expect([0, 7].map((n) => (leave as (n: number) => number)(n))).toEqual([1, 2]);
  });

  it('hands a released local out again, and never one that is in use', () => {
    const body = new Body([]);
    const [a, b] = [body.borrow('v128'), body.borrow('v128')];
    body.release(a);
    expect(body.borrow('i32').index).not.toBe(a.index);
    expect(body.borrow('v128')).toBe(a);
    expect(body.borrow('v128').index).not.toBe(b.index);
    expect(() => body.release(b, b)).toThrow(/released once/);
  });

  it('refuses a branch to a block that is closed', () => {
    const body = new Body([]);
    body.block((label) => {
      expect(() => body.branch(label)).not.toThrow();
      body.block((closed) => {
        label = closed;
      });
      expect(() => body.branch(label)).toThrow(/still open/);
    });
  });

  it('writes the same bytes for the same calls', () => {
    const write = (): Uint8Array => {
      const module = new ModuleBuilder(null);
      module.define('f', { parameters: [], results: ['f64'] }, (body) => body.emit('f64.const', 0.25));
      return module.bytes();
    };
    expect(write()).toEqual(write());
  });
});
