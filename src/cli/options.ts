/** Options that several commands share: which engine, how many threads, what is changed in the job. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type EngineChoice, parseBytes, type RunOptions } from '../index.ts';

export interface DeviceOptions {
  readonly engine: EngineChoice;
  readonly devices?: readonly number[];
  readonly threads?: number;
  readonly memory?: number;
  readonly set: readonly string[];
  readonly allowHost: readonly string[];
}

/** Adds --engine, --devices, --threads, --memory, --set and --allow-host. */
export function withDeviceOptions(command: Command): Command {
  return withJobOptions(withDevices(command));
}

/** Adds --engine, --devices, --threads and --memory. */
export function withDevices(command: Command): Command {
  return command
    .addOption(
      new Option('--engine <name>', 'what computes')
        .choices(['auto', 'wasm', 'webgpu', 'reference'])
        .default('auto'),
    )
    .option('--devices <numbers>', 'GPUs to compute with, e.g. 0,2 (default: every hardware GPU)', numbers)
    .option('--threads <n>', 'threads to compute with (default: one per core)', wholeNumber)
    .option('--memory <bytes>', 'most memory to use, e.g. 2GiB (default: what the machine has)', bytes);
}

/** Adds --set and --allow-host. */
export function withJobOptions(command: Command): Command {
  return command
    .addOption(repeatable('--set <path=value>', 'change one value of the job, e.g. params.sigma=0.3'))
    .addOption(
      repeatable(
        '--allow-host <host>',
        'read inputs from this host[:port] also if it is private or plain http',
      ),
    );
}

/** The options as the API takes them. */
export function deviceOptions(
  options: DeviceOptions,
): Pick<RunOptions, 'allowHosts' | 'devices' | 'engine' | 'memoryBytes' | 'onWarning' | 'set' | 'threads'> {
  return {
    engine: options.engine,
    set: options.set,
    allowHosts: options.allowHost,
    onWarning: (sentence) => process.stderr.write(`${sentence}\n`),
    ...(options.devices === undefined ? {} : { devices: options.devices }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.memory === undefined ? {} : { memoryBytes: options.memory }),
  };
}

/** An option of which every value given counts. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, `${description}; repeatable`)
    .argParser((value: string, before: readonly string[]): readonly string[] => [...before, value])
    .default([], 'none');
}

function numbers(text: string): readonly number[] {
  const values = text.split(',').map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (values.some(Number.isNaN) || new Set(values).size < values.length)
    throw new InvalidArgumentError('expected different whole numbers from 0, such as 0,2.');
  return values;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number from 1.');
  return value;
}

function bytes(text: string): number {
  try {
    return parseBytes(text);
  } catch {
    throw new InvalidArgumentError('expected a number of bytes such as 500000000, 512MiB or 2GiB.');
  }
}
