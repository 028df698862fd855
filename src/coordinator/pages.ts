/**
 * How does a long list change while every state of it before stays as it was? In pages: a change copies the pages that it is
 * on, and the list of pages.
 */

/** Values by place, 0 … `length` − 1. */
export interface Pages<T = number> {
  readonly length: number;
  readonly pages: readonly (readonly T[])[];
}

/** Values of a page. A run of 4096 leaves has as many pages. */
const pageLength = 64;

/** A list of one value. */
export function pagesOf<T>(length: number, value: T): Pages<T> {
  const page = Array.from({ length: pageLength }, () => value);
  return { length, pages: Array.from({ length: Math.ceil(length / pageLength) }, () => page) };
}

/** A list of these values. */
export function pagesFrom<T>(values: readonly T[]): Pages<T> {
  const count = Math.ceil(values.length / pageLength);
  const pageAt = (n: number): readonly T[] => values.slice(n * pageLength, (n + 1) * pageLength);
  return { length: values.length, pages: Array.from({ length: count }, (_, n) => pageAt(n)) };
}

/** The value at a place of the list; undefined beyond it. */
export function valueAt<T>({ pages }: Pages<T>, place: number): T | undefined {
  return pages[Math.floor(place / pageLength)]?.[place % pageLength];
}

/** The number at a place of the list; 0 beyond it. */
export function numberAt(list: Pages, place: number): number {
  return valueAt(list, place) ?? 0;
}

/** Another value at these places of the list: what `change` makes of the one that is there. Beyond it there is nothing to change. */
export function changed<T>(
  list: Pages<T>,
  places: readonly number[],
  change: (value: T, place: number) => T,
): Pages<T> {
  const pages = list.pages.slice();
  let [own, at]: [T[], number] = [[], -1];
  for (const place of places) {
    if (place >= list.length) continue;
    const n = Math.floor(place / pageLength);
    // Places that come together are mostly on one page; one that is come back to is copied again.
    if (n !== at) {
      own = (pages[n] ?? []).slice();
      pages[n] = own;
      at = n;
    }
    const k = place % pageLength;
    own[k] = change(own[k] as T, place); // within: every place of the list has a value
  }
  return { length: list.length, pages };
}

/** All values, in the order of their places. */
export function valuesOf<T>({ length, pages }: Pages<T>): readonly T[] {
  const values: T[] = [];
  // Not `flat`, which takes several times as long, nor `push` with the last page, which may be longer than the list.
  for (const page of pages) for (const value of page) if (values.length < length) values.push(value);
  return values;
}
