/** How numbers are printed. */

/** Shortest text with that many significant digits: 0.00123457, 1.23457e-8. */
export function significant(value: number, digits: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(digits))) : String(value);
}

/** Seconds from which on a longer unit is said, and how many of them it has. */
const units = [
  ['years', 365.25 * 86_400, 2 * 365.25 * 86_400],
  ['days', 86_400, 2 * 86_400],
  ['h', 3600, 2 * 3600],
  ['min', 60, 120],
] as const;

/** How long something takes, in the unit that says it: 45 s, 12 min, 3.4 h, 210 days. */
export function durationText(seconds: number): string {
  const [unit, length] = units.find(([, , from]) => seconds >= from) ?? ['s', 1];
  const count = seconds / length;
  return `${unit === 's' || count >= 10 ? grouped(Math.round(count)) : significant(count, 2)} ${unit}`;
}

/** 1234567 → 1 234 567. */
function grouped(n: number): string {
  return n < 1e15 ? String(n).replace(/\B(?=(\d{3})+$)/gu, '\u202f') : n.toExponential(1);
}

/** The Euclidean norm. */
export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] ?? 0) ** 2;
  return Math.sqrt(sum);
}
