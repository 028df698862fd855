/** How is an amount of bytes written, and read? */
import { SkewflowError } from '../errors.ts';

const powers: Readonly<Record<string, number>> = { '': 0, K: 1, M: 2, G: 3, T: 4 };

/**
 * An amount of memory in bytes: a number, or a text with a unit. `KiB` is 1024 bytes, `KB` 1000.
 *
 * @throws UsageError for anything else, and for less than one byte
 *
 * @example
 * parseBytes('2GiB'); // 2147483648
 */
export function parseBytes(amount: number | string): number {
  const parts = /^(\d+(?:\.\d+)?)\s*(?:([KMGT]?)(i?)B)?$/u.exec(String(amount).trim());
  const bytes =
    parts === null
      ? 0
      : Math.floor(Number(parts[1]) * (parts[3] === '' ? 1000 : 1024) ** powers[parts[2] ?? '']!);
  if (Number.isSafeInteger(bytes) && bytes >= 1) return bytes;
  throw new SkewflowError(
    'UsageError',
    `\`${amount}\` is no amount of memory: expected bytes, or a text such as 512MiB, 2GiB`,
  );
}

/** Bytes for people, with a binary unit: 13.1 TiB. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit] ?? ''}`;
}
