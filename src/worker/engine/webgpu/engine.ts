/**
 * The WebGPU engine on a device that is open already: programs as WGSL, in single precision.
 *
 * It asks nothing of Dawn. Whoever opens the device keeps what it came from alive, and closes it after the engine.
 */
import { SkewflowError } from '../../../errors.ts';
import type { EngineOptions } from '../discover.ts';
import type { Engine } from '../engine.ts';
import { findBuiltIns } from './built-ins.ts';
import type { Pace } from './gpu.ts';
import { load } from './loaded.ts';
import { makeReports, type Reports } from './reports.ts';
import { makeSession } from './session.ts';

/** Incremented whenever a shader or the order of a sum changes bits. */
const kernelVersion = 3;

export interface AdapterFacts {
  /** What the device is, as the driver says it. */
  readonly description: string;
  readonly limits: GPUSupportedLimits;
}

/**
 * The engine of an open device.
 *
 * @throws SkewflowError('NoDeviceError') for double precision, which WGSL has not
 */
export async function webGpuEngine(
  device: GPUDevice,
  adapter: AdapterFacts,
  options: EngineOptions,
): Promise<Engine> {
  if (options.precision !== 'f32') {
    throw new SkewflowError(
      'NoDeviceError',
      'a GPU computes in f32 here: write `precision: f32`, or use `--engine wasm` for f64',
    );
  }
  const state: DeviceState = { lost: null, bytes: 0 };
  device.lost.then(
    (info) => {
      state.lost = info;
    },
    () => {},
  );
  // An event nobody prevents is printed, on the stream that carries results.
  device.addEventListener('uncapturederror', (event) => {
    event.preventDefault();
  });
  const reports = makeReports(device, () => state.bytes);
  const builtIns = await guarded(state, reports, () => findBuiltIns(device, reports));
  // A slow device at first: pieces that are too short cost little, pieces that are too long hold others up.
  const pace: Pace = { visitsPerSecond: 2e9 };
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = turn.then(() => guarded(state, reports, work));
    turn = result.catch(() => {});
    return result;
  };
  return {
    name: 'webgpu',
    precision: 'f32',
    numerics: `webgpu/f32/${adapter.description.replaceAll('/', ' ')}/${kernelVersion}${builtIns.exp2 ? '+exp2' : ''}`,
    load: (program, plan) =>
      inTurn(async () => {
        const loaded = await load(device, program, builtIns);
        return makeSession({
          device,
          loaded,
          plan,
          memoryBytes: options.memoryBytes,
          allocated: (bytes) => {
            state.bytes += bytes;
          },
          pace,
          reports,
          inTurn,
        });
      }),
    [Symbol.asyncDispose]: async () => {
      await turn;
    },
  };
}

interface DeviceState {
  lost: GPUDeviceLostInfo | null;
  /** Taken by the engine's buffers. */
  bytes: number;
}

/** Runs work on the device; what the device reports meanwhile is what the work fails with. */
async function guarded<T>(state: DeviceState, reports: Reports, work: () => Promise<T>): Promise<T> {
  if (state.lost !== null) throw lostError(state.lost);
  reports.open();
  const outcome = await work().then(
    (value) => ({ value }) as const,
    (error: unknown) => ({ error }) as const,
  );
  // A loss comes to light a turn later than what it breaks.
  if ('error' in outcome) reports.open();
  const reported = await reports.close();
  if (state.lost !== null) throw lostError(state.lost, 'error' in outcome ? outcome.error : undefined);
  if ('error' in outcome && outcome.error instanceof SkewflowError) throw outcome.error;
  if (reported !== null) throw reported;
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

function lostError({ reason, message }: GPUDeviceLostInfo, cause?: unknown): SkewflowError {
  return new SkewflowError(
    'DeviceError',
    `the device was lost (${reason}): ${message}`,
    { code: 'GPU_LOST' },
    { cause },
  );
}
