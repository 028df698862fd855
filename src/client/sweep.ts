/** Which jobs does a sweep make? One for each combination of values, the last sweep changing fastest. */
import { SkewflowError } from '../errors.ts';

/**
 * The `--set` changes of each job.
 *
 * @param sweeps - `params.sigma=0.1,0.2`: a path and its values; a comma inside brackets or quotes belongs to a value
 * @throws UsageError for text of another form, or a path that is swept twice
 *
 * @example
 * sweepsOf(['params.sigma=0.1,0.2', 'shards=4,8']).length; // 4
 */
export function sweepsOf(sweeps: readonly string[]): readonly (readonly string[])[] {
  const axes = sweeps.map(axisOf);
  const paths = axes.map(({ path }) => path);
  const twice = paths.find((path, n) => paths.indexOf(path) !== n);
  if (twice !== undefined) throw new SkewflowError('UsageError', `--sweep ${twice}: it is swept twice`);
  return axes.reduce<readonly (readonly string[])[]>(
    (all, { path, values }) => all.flatMap((sets) => values.map((value) => [...sets, `${path}=${value}`])),
    [[]],
  );
}

function axisOf(text: string): { readonly path: string; readonly values: readonly string[] } {
  const equals = text.indexOf('=');
  const values = equals < 1 ? [] : splitValues(text.slice(equals + 1));
  if (values.length === 0 || values.includes('')) {
    throw new SkewflowError(
      'UsageError',
      `--sweep ${text}: expected \`path=value,value\`, for example \`params.sigma=0.1,0.2\``,
    );
  }
  return { path: text.slice(0, equals).trim(), values };
}

/** At commas that stand in no bracket and no quotes. */
function splitValues(text: string): readonly string[] {
  const values: string[] = [''];
  let [depth, quote] = [0, ''];
  for (const character of text) {
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (character === '"' || character === "'") quote = character;
    else if ('[{('.includes(character)) depth += 1;
    else if (']})'.includes(character)) depth -= 1;
    if (character === ',' && depth === 0 && quote === '') values.push('');
    else values[values.length - 1] += character;
  }
  return values.map((value) => value.trim());
}
