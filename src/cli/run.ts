/** `skewflow run`: a job file in, the loss and its gradient out, everything in this process tree. */
import { Command } from 'commander';
import { type ProgressEvent, type RunResult, run } from '../index.ts';
import { norm, significant } from './numbers.ts';
import { type DeviceOptions, deviceOptions, withDeviceOptions } from './options.ts';
import { progressLine } from './progress.ts';
import { interruptible } from './signals.ts';

interface Options extends DeviceOptions {
  readonly out?: string;
  readonly force?: boolean;
  readonly fresh?: boolean;
  readonly json?: boolean;
}

export function runCommand(_finish: (code: number) => void): Command {
  const command = new Command('run')
    .description('compute a job here: its loss, its gradient and its outputs')
    .argument('<job>', 'the job file (YAML or JSON)')
    .option('--out <folder>', 'where the results go (default: ./<name>-out)')
    .option('--force', 'replace the output folder when the job is done')
    .option('--fresh', 'begin an optimisation anew, instead of going on with one that was interrupted')
    .option('--json', 'print the result as one JSON document');
  return withDeviceOptions(command).action(async (path: string, options: Options) => {
    const progress = progressLine(process.stderr);
    const result = await interruptible((signal) =>
      run(path, {
        ...deviceOptions(options),
        out: options.out ?? true,
        force: options.force ?? false,
        fresh: options.fresh ?? false,
        signal,
        onProgress: (event: ProgressEvent) => progress.show(event),
      }),
    ).finally(() => progress.clear());
    process.stdout.write(
      options.json === true ? `${JSON.stringify(result.summary, null, 2)}\n` : summary(result),
    );
  });
}

/** The result for people: a few aligned lines. */
function summary(result: RunResult): string {
  const { summary: facts } = result;
  const rows: [string, string][] = facts.loss === null ? [] : [['loss', significant(facts.loss, 9)]];
  for (const [name, array] of Object.entries(result.gradient)) {
    rows.push([
      `|dL/d${name}|`,
      `${significant(norm(array.data), 6)}   ${array.shape.join('×') || 'scalar'}`,
    ]);
  }
  if (facts.optimization !== null) {
    const { iterations, evaluations, reason } = facts.optimization;
    rows.push(['iterations', `${iterations} (${evaluations} evaluations): ${reasons[reason]}`]);
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

/** Why an optimisation is over, for people. */
const reasons: Readonly<Record<NonNullable<RunResult['optimization']>['reason'], string>> = {
  decrease: 'the loss falls by less than `decreaseTolerance`',
  evaluations: 'the limit of `evaluations` is reached',
  gradient: 'the gradient is below `gradientTolerance`',
  iterations: 'the limit of `iterations` is reached',
  precision: 'nothing lower can be told at this precision',
};
