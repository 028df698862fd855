/**
 * How does a long list change while every state of it before stays as it was? In pages: a change copies the pages that it is
 * on, and the list of pages.
 */

/** Values by place, 0 … `length` − 1. */
export interface Pages {
  readonly length: number;
  readonly pages: readonly (readonly number[])[];
}

/** Values of a page. A run of 4096 leaves has as many pages. */
const pageLength = 64;

/** A list of one value. */
export function pagesOf(length: number, value: number): Pages {
  const page = Array.from({ length: pageLength }, () => value);
  return { length, pages: Array.from({ length: Math.ceil(length / pageLength) }, () => page) };
}

/** The value at a place of the list. */
export function valueAt({ pages }: Pages, place: number): number {
  return pages[Math.floor(place / pageLength)]?.[place % pageLength] ?? 0;
}

/** Another value at these places: what `change` makes of the one that is there. */
export function changed(
  list: Pages,
  places: readonly number[],
  change: (value: number, place: number) => number,
): Pages {
  const pages = list.pages.slice();
  const own = new Map<number, number[]>();
  for (const place of places) {
    const n = Math.floor(place / pageLength);
    let page = own.get(n);
    if (page === undefined) {
      page = (pages[n] ?? []).slice();
      own.set(n, page);
      pages[n] = page;
    }
    const k = place % pageLength;
    page[k] = change(page[k] ?? 0, place);
  }
  return { length: list.length, pages };
}

/** All values, in the order of their places. */
export function valuesOf({ length, pages }: Pages): readonly number[] {
  return pages.flat().slice(0, length);
}
