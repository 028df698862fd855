/** Where in a job a thing stands: keys and list places from the top. */
export type Path = readonly (number | string)[];

/** A path as messages and `--set` write it: `loss.0.value`. */
export function pathText(path: Path): string {
  return path.join('.');
}
