/** `skewflow coordinator`, `skewflow worker`: the two long-running processes. They log to stderr and end when asked to. */
import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { exitCodes } from '../errors.ts';
import { Coordinator, Worker } from '../index.ts';
import { type Log, logTo } from '../log.ts';
import { type FleetOptions, fleetOptions, withFleet } from './fleet.ts';
import { type DeviceOptions, deviceOptions, wholeNumber, withDevices } from './options.ts';

export function coordinatorCommand(): Command {
  return withFleet(new Command('coordinator').description('carry submitted runs, until it is told to end'))
    .option('--runs <n>', 'runs carried at once', wholeNumber, 32)
    .action(async (options: FleetOptions & { readonly runs: number }) => {
      const log = serviceLog();
      const coordinator = await Coordinator.start({ ...fleetOptions(options), runsMax: options.runs, log });
      await asked();
      await coordinator[Symbol.asyncDispose]();
      leave(exitCodes.done);
    });
}

export function workerCommand(): Command {
  return withDevices(
    withFleet(
      new Command('worker').description('compute for whatever runs there are, until it is told to end'),
    ),
  ).action(async (options: DeviceOptions & FleetOptions) => {
    const log = serviceLog();
    const { set: _, ...devices } = deviceOptions({ ...options, set: [] });
    const worker = await Worker.start({ ...fleetOptions(options), ...devices, log });
    // Compute children inherit the environment, and have no business with Redis.
    for (const secret of ['REDIS_URL', 'SKEWFLOW_REDIS_PASSWORD_FILE']) delete process.env[secret];
    const why = await Promise.race([asked(), worker.ended]);
    await worker[Symbol.asyncDispose]();
    leave(why === 'quarantined' ? exitCodes.noDevice : exitCodes.done);
  });
}

/** A process that nobody looks at says what it does, unless the environment wants it otherwise. */
function serviceLog(): Log {
  const { logLevel } = readConfig(process.env);
  return logTo((process.env['SKEWFLOW_LOG'] ?? '') === '' ? 'info' : logLevel);
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once. */
function asked(): Promise<void> {
  return new Promise((resolve) => {
    let before = false;
    const hear = (code: number) => (): void => {
      if (before) process.exit(code);
      before = true;
      resolve();
    };
    process.on('SIGINT', hear(exitCodes.interrupted)).on('SIGTERM', hear(exitCodes.terminated));
  });
}

/** A connection that a dead Redis keeps half open must not keep the process. */
function leave(code: number): never {
  process.exit(code);
}
