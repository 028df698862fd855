/** May an engine go on with what others began? Its bits would not be theirs where its numerics class is another. */
import { SkewflowError } from './errors.ts';
import type { Station } from './worker/engine/discover.ts';
import type { Engine } from './worker/engine/engine.ts';

/**
 * Opens the engine of a station, if it may take part.
 *
 * @param before - numerics classes that computed so far; none: it begins
 * @param classes - those of this process are added
 * @param allowMixed - whether any class may take part
 */
export function opening(
  before: readonly string[],
  classes: Set<string>,
  allowMixed: boolean,
): (station: Station) => Promise<Engine> {
  return async (station) => {
    const engine = await station.open();
    const { numerics } = engine;
    if (before.length > 0 && !before.includes(numerics) && !allowMixed) {
      await engine[Symbol.asyncDispose]();
      throw new SkewflowError(
        'UsageError',
        `the optimisation was begun by \`${before.join(' + ')}\` and would be gone on with by \`${numerics}\`, whose bits differ: choose that engine again, go on all the same with \`--allow-mixed\` (equal within tolerance), or begin anew with \`--fresh\``,
      );
    }
    classes.add(numerics);
    return engine;
  };
}
