/** Whether a script was called, as `node make.js` or `node make`, by whatever links lead to it, and not imported. */
import { existsSync, realpathSync } from 'node:fs';

export function isCalled(script) {
  const named = process.argv[1] ?? '';
  return [named, `${named}.js`].some((path) => existsSync(path) && realpathSync(path) === script);
}
