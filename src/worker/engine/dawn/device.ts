/**
 * How is a GPU opened? Its adapter by name, a device with all the limits the adapter has, and a promise that tells of its loss.
 */
import { SkewflowError } from '../../../errors.ts';
import { dawn } from './library.ts';

/** Which adapter, as `adapters.ts` lists them. */
export interface GpuChoice {
  readonly backend: string;
  /** null: what Dawn takes by itself. */
  readonly adapter: string | null;
}

export interface GpuLoss {
  readonly code: 'GPU_LOST' | 'OUT_OF_MEMORY';
  readonly reason: string;
}

export interface GpuDevice {
  readonly device: GPUDevice;
  readonly adapter: { readonly description: string; readonly limits: GPUSupportedLimits };
  /** Resolves when the device is gone, or when an error that nobody expected makes its results worthless. */
  readonly lost: Promise<GpuLoss>;
}

/**
 * Open a GPU in this process, which had better be a compute child: a driver may take the process down with it.
 *
 * @throws NoDeviceError when no adapter of that name is there
 */
export async function openGpuDevice({ backend, adapter: name }: GpuChoice): Promise<GpuDevice> {
  const gpu = await dawn([`backend=${backend}`, ...(name === null ? [] : [`adapter=${name}`])]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter === null)
    throw new SkewflowError('NoDeviceError', `no GPU ${name === null ? '' : `\`${name}\` `}answers here`);
  const device = await adapter.requestDevice({ requiredLimits: limitsOf(adapter) });
  return {
    device,
    adapter: { description: descriptionOf(adapter.info), limits: device.limits },
    lost: lossOf(device),
  };
}

/** Everything the adapter has: the defaults are 128 MiB a binding and 256 MiB a buffer. */
export function limitsOf({ limits }: GPUAdapter): Record<string, number> {
  const all: Record<string, number> = {};
  // The limits are getters of the prototype.
  for (const name in limits) {
    const value: unknown = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') all[name] = value;
  }
  return all;
}

/** One line that names card and driver. */
function descriptionOf({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  return [vendor, architecture, device, description].filter((text) => text !== '').join(' ');
}

function lossOf(device: GPUDevice): Promise<GpuLoss> {
  return new Promise((resolve) => {
    void device.lost.then(({ reason, message }) =>
      resolve({ code: 'GPU_LOST', reason: message === '' ? reason : message }),
    );
    device.addEventListener('uncapturederror', (event) => {
      // Otherwise Dawn prints it on stdout.
      event.preventDefault();
      const code = event.error instanceof GPUOutOfMemoryError ? 'OUT_OF_MEMORY' : 'GPU_LOST';
      resolve({ code, reason: event.error.message });
    });
  });
}
