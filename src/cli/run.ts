/** `skewflow run`: a job file in, the loss and its gradient out, everything in this process tree. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { SkewflowError } from '../errors.ts';
import { type ProgressEvent, type RunResult, run } from '../index.ts';
import { norm, significant } from './numbers.ts';
import { type DeviceOptions, deviceOptions, withDeviceOptions } from './options.ts';
import { progressLine } from './progress.ts';
import { interruptible } from './signals.ts';

interface Options extends DeviceOptions {
  readonly out?: string;
  readonly force?: boolean;
  readonly fresh?: boolean;
  readonly allowMixed?: boolean;
  readonly json?: boolean;
  readonly part?: { readonly index: number; readonly count: number };
  readonly meet?: string;
}

export function runCommand(_finish: (code: number) => void): Command {
  const command = new Command('run')
    .description('compute a job here: its loss, its gradient and its outputs')
    .argument('<job>', 'the job file (YAML or JSON)')
    .option('--out <folder>', 'where the results go: a folder, or s3://bucket/prefix (default: ./<name>-out)')
    .option('--force', 'replace the output folder when the job is done')
    .option('--fresh', 'begin an optimisation anew, instead of going on with one that was interrupted')
    .option('--allow-mixed', 'go on with an optimisation that another kind of engine began')
    .option('--json', 'print the result as one JSON document')
    .option('--part <i/n>', 'compute part i (from 0) of n; part 0 writes the results', partOf)
    .option('--meet <folder>', 'the folder where the parts meet: all of them see it');
  return withDeviceOptions(command).action(async (path: string, options: Options) => {
    const { part, meet } = options;
    if ((part === undefined) !== (meet === undefined))
      throw new SkewflowError(
        'UsageError',
        'a part meets the others in a folder: give `--part` and `--meet`',
      );
    const progress = progressLine(process.stderr);
    const result = await interruptible((signal) =>
      run(path, {
        ...deviceOptions(options),
        out: options.out ?? true,
        force: options.force ?? false,
        fresh: options.fresh ?? false,
        allowMixed: options.allowMixed ?? false,
        ...(part === undefined || meet === undefined ? {} : { part: { ...part, meet } }),
        signal,
        onProgress: (event: ProgressEvent) => progress.show(event),
      }),
    ).finally(() => progress.clear());
    process.stdout.write(
      options.json === true
        ? `${JSON.stringify(result.summary, null, 2)}\n`
        : summary(result, await tracerGradients(result.folder)),
    );
  });
}

/** `2/4`: the third of four. */
function partOf(text: string): { readonly index: number; readonly count: number } {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  if (index === undefined || count === undefined || Number(index) >= Number(count))
    throw new InvalidArgumentError('expected a part and their number, such as 0/4 to 3/4.');
  return { index: Number(index), count: Number(count) };
}

/** Gradients of the size of the tracers, which were written and are not here: field and file, from the folder on. */
async function tracerGradients(folder: string | null): Promise<readonly (readonly [string, string])[]> {
  if (folder === null) return [];
  const written = ['gradient', 'tracers.zarr/gradient'].map(async (place) => {
    const names = await readdir(join(folder, place)).catch(() => []);
    return names
      .filter((name) => name !== 'zarr.json')
      .map((name) => [name.replace(/\.npy$/u, ''), `${place}/${name}`] as const);
  });
  return (await Promise.all(written)).flat();
}

/** The result for people: a few aligned lines. */
function summary(result: RunResult, elsewhere: readonly (readonly [string, string])[]): string {
  const { summary: facts } = result;
  const rows: [string, string][] = facts.loss === null ? [] : [['loss', significant(facts.loss, 9)]];
  for (const [name, array] of Object.entries(result.gradient)) {
    const [size, shape] = [norm(array.data), array.shape.join('×') || 'scalar'];
    // At an optimum a gradient may well be 0; anywhere else it cancels (`c - c`) or is dead (`relu` of negative numbers).
    const note = size > 0 || (facts.optimization?.iterations ?? 0) > 0 ? '' : `   ${zeroEverywhere}`;
    rows.push([`|dL/d${name}|`, `${significant(size, 6)}   ${shape}${note}`]);
  }
  rows.push(...elsewhere.map(([field, file]): [string, string] => [`dL/d${field}`, file]));
  if (facts.optimization !== null) {
    const { iterations, evaluations, reason } = facts.optimization;
    rows.push([
      'iterations',
      `${iterations} (${evaluations} ${evaluations === 1 ? 'evaluation' : 'evaluations'}): ${reasons[reason]}`,
    ]);
  }
  rows.push(
    ['engine', `${facts.engine} (${facts.numerics})`],
    ['shards', `${facts.shards}`],
    ['time', `${facts.seconds.toPrecision(3)} s, ${significant(facts.pairsPerSecond / 1e9, 3)} Gpair/s`],
  );
  if (result.folder !== null) rows.push(['results', result.folder]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('');
}

const zeroEverywhere = '0 everywhere: at these numbers nothing of it reaches the loss';

/** Why an optimisation is over, for people. */
const reasons: Readonly<Record<NonNullable<RunResult['optimization']>['reason'], string>> = {
  decrease: 'the loss falls by less than `decreaseTolerance`',
  evaluations: 'the limit of `evaluations` is reached',
  gradient: 'the gradient is below `gradientTolerance`',
  iterations: 'the limit of `iterations` is reached',
  precision: 'nothing lower can be told at this precision',
};
