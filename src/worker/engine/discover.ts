/**
 * What can compute here, and what of it shall? The engines of this machine by name and by GPU, each loaded only when it is
 * chosen.
 */
import { isSkewflowError, SkewflowError } from '../../errors.ts';
import { type Log, logTo } from '../../log.ts';
import type { Limits } from '../child/supervision.ts';
import type { Gpu } from './dawn/adapters.ts';
import type { Engine, EngineName, Precision } from './engine.ts';

/** `auto`: the best engine that is a product here; never a software GPU, never the reference. */
export type EngineChoice = 'auto' | 'reference' | 'wasm' | 'webgpu';

export interface EngineOptions {
  readonly precision: Precision;
  /** Worker threads of the engine; the reference uses one. */
  readonly threads: number;
  /** Bytes the engine may take for what is resident and for its threads' tiles. */
  readonly memoryBytes: number;
}

export interface ChoiceOptions extends EngineOptions {
  /** Numbers of the GPUs to use, as `skewflow devices` lists them. Default: every hardware GPU, else the first. */
  readonly devices?: readonly number[];
  /**
   * Let every engine compute in a child process. A GPU always does; the others share this process unless it must stay
   * responsive, as a worker's that holds a lease. Default: false.
   */
  readonly isolated?: boolean;
  /** Told what the user should know of the choice, a sentence. Default: nobody. */
  readonly onWarning?: (sentence: string) => void;
  /** Restarts of children are logged here. Default: silent. */
  readonly log?: Log;
  /** Told when a child is started again, and what ended the one before. Default: nobody. */
  readonly onRestart?: (code: string) => void;
  /** When a child counts as hung, and how often it is replaced. Default: `defaultLimits`. */
  readonly limits?: Limits;
}

/** Something that computes: one seat of a run. */
export interface Station {
  readonly engine: EngineName;
  /** For people: the GPU's name, or the engine's. */
  readonly name: string;
  readonly open: () => Promise<Engine>;
}

/**
 * Choose what computes: one station for each device. Nothing is opened yet.
 *
 * @throws NoDeviceError when nothing of the chosen kind is here; UsageError for the number of a GPU that is not
 */
export async function chooseStations(
  choice: EngineChoice,
  options: ChoiceOptions,
): Promise<readonly Station[]> {
  switch (choice) {
    case 'auto':
      return await bestStations(options);
    case 'reference':
    case 'wasm':
      if (options.devices !== undefined)
        throw new SkewflowError('UsageError', `devices are GPUs, and the ${choice} engine uses none`);
      return [stationOn(choice, options)];
    case 'webgpu':
      return await gpuStations(options);
  }
}

/**
 * Open one engine: the first station's.
 *
 * @throws NoDeviceError when nothing of the chosen kind can compute here
 */
export async function openEngine(choice: EngineChoice, options: ChoiceOptions): Promise<Engine> {
  const [first] = await chooseStations(choice, options);
  if (first === undefined) throw new SkewflowError('NoDeviceError', 'no device was chosen');
  return await first.open();
}

/** Hardware GPUs where there are some and the job is in single precision, else WASM. */
async function bestStations(options: ChoiceOptions): Promise<readonly Station[]> {
  const wasm = stationOn('wasm', options);
  const named = options.devices !== undefined;
  if (named) refuseDouble(options.precision);
  if (options.precision !== 'f32') return [wasm];
  const { knownGpus, mayHaveGpu } = await import('./dawn/adapters.ts');
  if (!named && !mayHaveGpu()) return [wasm];
  const { pickGpus } = await import('./dawn/pick.ts');
  const { gpus } = await knownGpus();
  const used = pickGpus(gpus, { software: false, devices: options.devices ?? null });
  if (used.length === 0) return [wasm];
  return used.map((gpu) => ({ ...gpuStation(gpu, options), open: () => orElse(gpu, wasm, options) }));
}

/** A GPU that is listed and cannot be opened is no reason for `auto` to fail. */
async function orElse(gpu: Gpu, wasm: Station, options: ChoiceOptions): Promise<Engine> {
  try {
    return await gpuStation(gpu, options).open();
  } catch (error) {
    if (!isSkewflowError(error)) throw error;
    options.onWarning?.(`${gpu.adapter.name} is not used, the processor is: ${error.message}`);
    return await wasm.open();
  }
}

async function gpuStations(options: ChoiceOptions): Promise<readonly Station[]> {
  refuseDouble(options.precision);
  const [{ howToGetOne, knownGpus }, { pickGpus }] = await Promise.all([
    import('./dawn/adapters.ts'),
    import('./dawn/pick.ts'),
  ]);
  const { gpus, notes } = await knownGpus();
  for (const note of notes) options.onWarning?.(note);
  if (gpus.length === 0) throw new SkewflowError('NoDeviceError', howToGetOne());
  const used = pickGpus(gpus, { software: true, devices: options.devices ?? null });
  for (const { adapter } of used)
    if (adapter.software)
      options.onWarning?.(
        `${adapter.name} is a software adapter, for tests: it computes on the processor, slower than \`--engine wasm\``,
      );
  return used.map((gpu) => gpuStation(gpu, options));
}

function refuseDouble(precision: Precision): void {
  if (precision === 'f32') return;
  throw new SkewflowError(
    'NoDeviceError',
    'a GPU computes in single precision, and the job asks for f64: use `--engine wasm`, or `precision: f32` in the job',
  );
}

/** A GPU, in a process of its own. */
export function gpuStation({ adapter, environment }: Gpu, options: ChoiceOptions): Station {
  const device = { engine: 'webgpu', backend: adapter.backend, adapter: adapter.name } as const;
  return {
    engine: 'webgpu',
    name: adapter.name,
    open: () => openInChild(device, environment, options),
  };
}

function stationOn(engine: 'reference' | 'wasm', options: ChoiceOptions): Station {
  return {
    engine,
    name: engine,
    open: () =>
      options.isolated === true ? openInChild({ engine }, {}, options) : openHere(engine, options),
  };
}

async function openHere(engine: 'reference' | 'wasm', options: EngineOptions): Promise<Engine> {
  switch (engine) {
    case 'reference': {
      const { openReferenceEngine } = await import('./reference/engine.ts');
      return openReferenceEngine();
    }
    case 'wasm': {
      const { openWasmEngine } = await import('./wasm/index.ts');
      return openWasmEngine(options);
    }
  }
}

type ChildModule = typeof import('../child/remote-engine.ts');
type ChildDevice = Parameters<ChildModule['openChildEngine']>[0]['device'];

async function openInChild(
  device: ChildDevice,
  environment: Readonly<Record<string, string>>,
  options: ChoiceOptions,
): Promise<Engine> {
  const { openChildEngine } = await import('../child/remote-engine.ts');
  const { precision, threads, memoryBytes, limits, onRestart, log = logTo('silent') } = options;
  return openChildEngine({
    device,
    environment,
    precision,
    threads,
    memoryBytes,
    log,
    ...(limits === undefined ? {} : { limits }),
    ...(onRestart === undefined ? {} : { onRestart }),
  });
}
