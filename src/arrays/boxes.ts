/** Which boxes of an array of several axes make a range of its elements in row-major order? */

/** Along each axis the indices [begin, end). */
export type Box = readonly (readonly [begin: number, end: number])[];

/**
 * The boxes that hold elements [begin, end), in order: their elements one after another are the range. At most
 * 2·axes − 1 of them, so that reading rows of an array in blocks touches the blocks that hold them and no others.
 */
export function boxesOf(shape: readonly number[], begin: number, end: number): readonly Box[] {
  if (begin >= end) return [];
  const [length, ...rest] = shape;
  if (length === undefined) return [[]];
  const stride = rest.reduce((product, n) => product * n, 1);
  const within = (row: number, from: number, to: number): readonly Box[] =>
    boxesOf(rest, from - row * stride, to - row * stride).map((box) => [[row, row + 1], ...box]);
  const firstWhole = Math.ceil(begin / stride);
  const lastWhole = Math.floor(end / stride);
  const head =
    begin < firstWhole * stride ? within(firstWhole - 1, begin, Math.min(end, firstWhole * stride)) : [];
  const whole: Box[] =
    firstWhole < lastWhole ? [[[firstWhole, lastWhole], ...rest.map((n) => [0, n] as const)]] : [];
  const tail =
    lastWhole * stride < end && lastWhole >= firstWhole ? within(lastWhole, lastWhole * stride, end) : [];
  return [...head, ...whole, ...tail];
}

/** How many elements a box has. */
export function boxElements(box: Box): number {
  return box.reduce((product, [begin, end]) => product * (end - begin), 1);
}
