import { describe, expect, test } from 'vitest';
import { crc32 } from '../../src/arrays/crc32.ts';
import { philox } from '../../src/arrays/philox.ts';

/** kat_vectors of Random123 1.14, lines `philox4x32 10`: counter, key, expected. */
const knownAnswers = [
  ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
] as const;

const words = (text: string): number[] => text.split(' ').map((word) => Number.parseInt(word, 16));

describe('Philox4x32-10', () => {
  test.each(knownAnswers)('gives the known answer for counter %s and key %s', (counter, key, expected) => {
    const [c0, c1, c2, c3] = words(counter);
    const [k0, k1] = words(key);
    const out = new Uint32Array(4);
    philox(out, c0!, c1!, c2!, c3!, k0!, k1!);
    expect([...out]).toEqual(words(expected));
  });
});

describe('crc32', () => {
  test('gives the check value of the catalogue for the nine digits', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  test('is 0 for no bytes', () => {
    expect(crc32(new Uint8Array())).toBe(0);
  });
});
