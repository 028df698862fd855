/** Which character of the file a character of a YAML scalar's value comes from. */

/** How a scalar is written. Plain and block scalars stand as they are, but for their line breaks. */
export type ScalarStyle = 'as-is' | 'double-quoted' | 'single-quoted';

/** One character of the value as it is written: at `offset`, `length` characters long. */
interface Written {
  readonly character: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * For each offset of `value`, and one past its end, the offset in the text it was read from.
 *
 * YAML changes nothing but white space (line breaks are folded, indentation is dropped) and the escapes of quoted
 * scalars. So the visible characters are met in order, and white space stands where the visible characters leave it.
 *
 * @param text - the whole file; the scalar's source is [begin, end), with its quotes, without a block's header line
 */
export function scalarOffsets(
  value: string,
  text: string,
  begin: number,
  end: number,
  style: ScalarStyle,
): readonly number[] {
  const written = writtenCharacters(text, begin, end, style);
  const offsets: number[] = [];
  let next = 0;
  let last = begin;
  for (const character of characters(value)) {
    if (!isSpace(character)) {
      while (next < written.length && isSpace(written[next]!.character)) next++;
    }
    const at = written[next];
    const offset = at?.offset ?? last;
    for (let n = 0; n < character.length; n++) offsets.push(offset);
    last = offset + (at?.length ?? 0);
    if (!isSpace(character) || (at !== undefined && isSpace(at.character))) next++;
  }
  offsets.push(last);
  return offsets;
}

function writtenCharacters(text: string, begin: number, end: number, style: ScalarStyle): readonly Written[] {
  const quotes = style === 'as-is' ? 0 : 1;
  const result: Written[] = [];
  for (let offset = begin + quotes; offset < end - quotes; ) {
    const one = style === 'as-is' ? null : escaped(text, offset, style);
    const character = one?.character ?? characterAt(text, offset);
    const length = one?.length ?? character.length;
    // An escaped line break is no character at all.
    if (character !== '') result.push({ character, offset, length });
    offset += length;
  }
  return result;
}

/** Escapes of double-quoted scalars (YAML 1.2, §5.7) with a code point of their own. */
const named: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  e: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  N: '\x85',
  _: '\xa0',
  L: '\u2028',
  P: '\u2029',
};

/** Digits of the escapes that give a code point in hexadecimal. */
const hexDigits: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

function escaped(
  text: string,
  offset: number,
  style: ScalarStyle,
): { character: string; length: number } | null {
  if (style === 'single-quoted') {
    return text.startsWith("''", offset) ? { character: "'", length: 2 } : null;
  }
  if (text[offset] !== '\\') return null;
  const kind = text[offset + 1] ?? '';
  const digits = hexDigits[kind];
  if (digits !== undefined) {
    const code = Number.parseInt(text.slice(offset + 2, offset + 2 + digits), 16);
    return { character: String.fromCodePoint(code), length: 2 + digits };
  }
  if (kind === '\n' || kind === '\r')
    return { character: '', length: text.startsWith('\\\r\n', offset) ? 3 : 2 };
  return { character: named[kind] ?? kind, length: 2 };
}

function characterAt(text: string, offset: number): string {
  return String.fromCodePoint(text.codePointAt(offset)!);
}

function characters(value: string): Iterable<string> {
  return value;
}

function isSpace(character: string): boolean {
  return /^\s$/u.test(character);
}
