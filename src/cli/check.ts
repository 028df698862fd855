/** `skewflow check`: is the gradient right? Against finite differences in double precision, on a subset of the rows. */
import { Command } from 'commander';
import { exitCodes } from '../errors.ts';
import { check, checkText } from '../index.ts';
import { type DeviceOptions, deviceOptions, withDeviceOptions } from './options.ts';
import { interruptible } from './signals.ts';

export function checkCommand(finish: (code: number) => void): Command {
  const command = new Command('check')
    .description('hold the gradient against finite differences, and the scheme against its order')
    .argument('<job>', 'the job file (YAML or JSON)')
    .option('--json', 'print the figures as one JSON document');
  return withDeviceOptions(command).action(
    async (path: string, options: DeviceOptions & { json?: boolean }) => {
      const report = await interruptible((signal) => check(path, { ...deviceOptions(options), signal }));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(report, null, 2)}\n` : checkText(report),
      );
      finish(report.passed ? exitCodes.done : exitCodes.jobFailed);
    },
  );
}
