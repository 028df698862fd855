/** How WGSL text is put together: templates that read as the shader, and numbers as literals. */

/** What may stand in a hole: text (of several lines, or none), or a whole number. */
export type Hole = number | string | readonly string[];

/**
 * A template whose margin is stripped. A hole of several lines keeps the indentation it stands at; a line that holds
 * nothing but an empty hole is left out.
 */
export function code(strings: TemplateStringsArray, ...holes: readonly Hole[]): string {
  const margin = marginOf(strings);
  const parts = strings.map((s) => s.replaceAll(`\n${margin}`, '\n'));
  let text = parts[0] ?? '';
  for (const [n, hole] of holes.entries()) {
    const value = typeof hole === 'object' ? hole.filter((l) => l !== '').join('\n') : String(hole);
    const indent = /(?:^|\n)([ ]*)$/.exec(text)?.[1];
    const next = parts[n + 1] ?? '';
    if (value === '' && indent !== undefined && /^(\n|$)/.test(next)) {
      text = text.slice(0, text.length - indent.length) + next.replace(/^\n/, '');
    } else {
      text += indent === undefined ? value : value.replaceAll('\n', `\n${indent}`) + next;
      if (indent === undefined) text += next;
    }
  }
  return text.replace(/^\n/, '').trimEnd().replace(/[ ]+$/gm, '');
}

/** The least indentation of a line of the template. */
function marginOf(strings: readonly string[]): string {
  const lines = strings.join('\0').split('\n').slice(1);
  const indents = lines.filter((l) => l.trim() !== '').map((l) => /^[ ]*/.exec(l)?.[0] ?? '');
  return indents.reduce((least, i) => (i.length < least.length ? i : least), indents[0] ?? '');
}

/** A literal of type u32. */
export const whole = (value: number): string => `${value}u`;

/** `base + 12u`, without an addition of nothing. */
export const plus = (base: string, offset: number): string =>
  offset === 0 ? base : `${base} + ${whole(offset)}`;

/**
 * A literal of type f32: the shortest decimal that is rounded to the value. WGSL has no literal for what is not
 * finite: such constants come from memory, where the host has put ∞ and a NaN.
 */
export function real(value: number): string {
  const rounded = Math.fround(value);
  if (Number.isNaN(rounded)) return 'not_a_number()';
  if (!Number.isFinite(rounded)) return rounded > 0 ? 'infinity()' : '(-infinity())';
  const digits = [1, 2, 3, 4, 5, 6, 7, 8].find(
    (d) => Math.fround(Number(rounded.toPrecision(d))) === rounded,
  );
  const text = `${String(Number(rounded.toPrecision(digits ?? 9)))}f`;
  return text.startsWith('-') || Object.is(rounded, -0) ? `(-${text.replace('-', '')})` : text;
}
