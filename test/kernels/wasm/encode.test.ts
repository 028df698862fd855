import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nameBytes, realBytes, signed, unsigned } from '../../../src/kernels/wasm/encode.ts';

/** Seven bits a byte, lowest first; the last byte has no top bit. */
function decoded(bytes: readonly number[]): bigint {
  return bytes.reduce((sum, byte, k) => sum | (BigInt(byte & 0x7f) << BigInt(7 * k)), 0n);
}

const wellFormed = (bytes: readonly number[]): boolean =>
  bytes.every((byte, k) => byte < 0x100 && byte >= 0x80 === k < bytes.length - 1);

describe('LEB128', () => {
  it('of an unsigned number reads back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (n) => {
        const bytes = unsigned(n);
        expect(wellFormed(bytes)).toBe(true);
        expect(decoded(bytes)).toBe(BigInt(n));
      }),
    );
  });

  it('of a signed number reads back, its last byte carrying the sign', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
        const bytes = signed(n);
        expect(wellFormed(bytes)).toBe(true);
        expect(BigInt.asIntN(7 * bytes.length, decoded(bytes))).toBe(n);
      }),
    );
  });

  it('is as short as the number allows', () => {
    expect(unsigned(127)).toEqual([0x7f]);
    expect(unsigned(128)).toEqual([0x80, 0x01]);
    expect(signed(63n)).toEqual([0x3f]);
    expect(signed(64n)).toEqual([0xc0, 0x00]);
    expect(signed(-64n)).toEqual([0x40]);
    expect(signed(-65n)).toEqual([0xbf, 0x7f]);
  });

  it('refuses what is no unsigned 32-bit number', () => {
    expect(() => unsigned(-1)).toThrow(/unsigned 32-bit/);
    expect(() => unsigned(2 ** 32)).toThrow(/unsigned 32-bit/);
  });
});

describe('bytes', () => {
  it('of a real are its IEEE-754 bits, lowest byte first', () => {
    expect(realBytes(1, 32)).toEqual([0, 0, 0x80, 0x3f]);
    expect(realBytes(-0, 64)).toEqual([0, 0, 0, 0, 0, 0, 0, 0x80]);
    expect(realBytes(Number.POSITIVE_INFINITY, 32)).toEqual([0, 0, 0x80, 0x7f]);
  });

  it('of a name are UTF-8, after their number', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const expected = [...new TextEncoder().encode(text)];
        expect([...nameBytes(text)]).toEqual([...unsigned(expected.length), ...expected]);
      }),
    );
  });
});
