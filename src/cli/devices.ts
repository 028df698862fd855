/** `skewflow devices`: what can compute here, each tried on a small job against the reference. */
import { Command } from 'commander';
import { exitCodes } from '../errors.ts';
import { type DeviceReport, devices } from '../index.ts';

export function devicesCommand(finish: (code: number) => void): Command {
  return new Command('devices')
    .description('list what can compute here, with a self-test')
    .option('--json', 'print the list as one JSON document')
    .action(async (options: { json?: boolean }) => {
      const found = await devices();
      process.stdout.write(options.json === true ? `${JSON.stringify(found, null, 2)}\n` : table(found));
      finish(found.some((d) => d.usable) ? exitCodes.done : exitCodes.noDevice);
    });
}

const words: Readonly<Record<DeviceReport['status'], string>> = {
  absent: 'absent',
  failing: 'FAILS its self-test',
  usable: 'usable',
};

function table(found: readonly DeviceReport[]): string {
  const engine = Math.max(...found.map((d) => d.engine.length));
  const status = Math.max(...found.map((d) => words[d.status].length));
  return found
    .map((d) => `${d.engine.padEnd(engine)}  ${words[d.status].padEnd(status)}  ${d.description}\n`)
    .join('');
}
