import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { decodeControl, encodeControl } from '../../../src/exchange/frames/control.ts';

const Anything = z.record(z.string(), z.unknown());
const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);
const rich = new Packr({ useRecords: false, moreTypes: true, structuredClone: true });

describe('a control part', () => {
  it('comes back as it was', () => {
    const message = {
      text: 'µ = Σᵢ',
      count: 4_000_000_000,
      real: 0.1,
      list: [null, true, -7],
      nested: { a: {} },
    };
    expect(decodeControl(encodeControl(message), Anything)).toEqual(message);
  });

  it('is read into a fresh object of the schema, and nothing the schema does not know passes', () => {
    const Known = z.strictObject({ a: z.int() });
    expect(() => decodeControl(encodeControl({ a: 1, b: 2 }), Known)).toThrow(/b/);
    expect(Object.getPrototypeOf(decodeControl(encodeControl({ a: 1 }), Known))).toBe(Object.prototype);
  });

  it.each([
    ['a regular expression', rich.pack({ a: /x/ })],
    ['an error', rich.pack({ a: new Error('x') })],
    ['a set', rich.pack({ a: new Set([1]) })],
    ['a date', rich.pack({ a: new Date(1) })],
    ['a typed array', rich.pack({ a: Float64Array.of(1) })],
    ['binary', rich.pack({ a: Buffer.of(1) })],
    ['a 64-bit integer', rich.pack({ a: 2n ** 60n })],
    ['a record', new Packr({ useRecords: true }).pack([{ a: 1 }])],
  ])('with %s is refused', (_, message) => {
    expect(() => decodeControl(message, Anything)).toThrow(/is not allowed/);
  });

  it('does not reach any prototype', () => {
    const message = Buffer.concat([
      bytes(0x81, 0xa9),
      Buffer.from('__proto__'),
      bytes(0x81, 0xa1, 0x78, 0x01),
    ]);
    expect(() => decodeControl(message, Anything)).toThrow(/__proto__/);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it.each([
    ['an array of 2³² − 1 items', bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['an array of 65535 items in three bytes', bytes(0xdc, 0xff, 0xff)],
    ['a text of 65535 bytes in three', bytes(0xda, 0xff, 0xff)],
    ['a key that is a number', bytes(0x81, 0x01, 0x01)],
    ['more than one message', bytes(0x80, 0x80)],
    ['nothing', bytes()],
    ['a nest of a hundred arrays', Buffer.alloc(100, 0x91)],
  ])('that is %s is refused', (_, message) => {
    expect(() => decodeControl(message, z.unknown())).toThrow(/message: /);
  });

  it('is at most 16 KiB in both directions', () => {
    expect(() => encodeControl({ text: 'x'.repeat(17_000) })).toThrow(/at most 16384/);
    expect(() => decodeControl(Buffer.alloc(17_000, 0xc0), z.unknown())).toThrow(/at most 16384/);
  });
});
