/** `skewflow coordinator`, `skewflow worker`: the two long-running processes. They log to stderr and end when asked to. */
import { Command } from 'commander';
import { readConfig } from '../config.ts';
import { exitCodes } from '../errors.ts';
import { Coordinator, Worker } from '../index.ts';
import { type Log, logTo } from '../log.ts';
import { type FleetOptions, fleetOptions, withFleet } from './fleet.ts';
import { type DeviceOptions, deviceOptions, repeatable, wholeNumber, withDevices } from './options.ts';

export function coordinatorCommand(): Command {
  return withListen(
    withReach(
      withFleet(new Command('coordinator').description('carry submitted runs, until it is told to end')),
    ),
  )
    .option('--runs <n>', 'runs carried at once', wholeNumber, 32)
    .action(async (options: FleetOptions & ListenOptions & ReachOptions & { readonly runs: number }) => {
      const log = serviceLog();
      const coordinator = await Coordinator.start({
        ...fleetOptions(options),
        ...listenOptions(options),
        allowHosts: options.allowHost,
        runsMax: options.runs,
        log,
      });
      await asked();
      await coordinator[Symbol.asyncDispose]();
      leave(exitCodes.done);
    });
}

export function workerCommand(): Command {
  return withListen(
    withDevices(
      withReach(
        withFleet(
          new Command('worker').description('compute for whatever runs there are, until it is told to end'),
        ),
      ),
    ),
  )
    .option('--exit-when-idle <seconds>', 'end when no seat was held for so long', wholeNumber)
    .action(async (options: DeviceOptions & FleetOptions & IdleOptions & ListenOptions) => {
      const log = serviceLog();
      const { set: _, ...devices } = deviceOptions({ ...options, set: [] });
      const { exitWhenIdle } = options;
      const worker = await Worker.start({
        ...fleetOptions(options),
        ...listenOptions(options),
        ...devices,
        ...(exitWhenIdle === undefined ? {} : { exitWhenIdleSeconds: exitWhenIdle }),
        log,
      });
      const why = await Promise.race([asked(), worker.ended]);
      await worker[Symbol.asyncDispose]();
      leave(why === 'quarantined' ? exitCodes.noDevice : exitCodes.done);
    });
}

interface IdleOptions {
  readonly exitWhenIdle?: number;
}

interface ListenOptions {
  readonly listen?: string;
}

interface ReachOptions {
  readonly allowHost: readonly string[];
}

/** Adds --allow-host. */
function withReach(command: Command): Command {
  return command.addOption(
    repeatable(
      '--allow-host <host>',
      'let submitted jobs read URLs on this host[:port] (*: on every public host)',
    ),
  );
}

/** Adds --listen. */
function withListen(command: Command): Command {
  return command.option(
    '--listen <host:port>',
    'serve /metrics, /livez and /readyz there (default: $SKEWFLOW_LISTEN, else nowhere)',
  );
}

function listenOptions({ listen }: ListenOptions): ListenOptions {
  return listen === undefined ? {} : { listen };
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
