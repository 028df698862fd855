/** A WebGPU device for tests: whatever adapter Dawn finds here, a software Vulkan driver among them. */
import { create, globals } from 'webgpu';

export interface TestDevice extends AsyncDisposable {
  readonly device: GPUDevice;
  readonly adapter: { readonly description: string; readonly limits: GPUSupportedLimits };
}

/** Kept for as long as the process lives: a device outlives garbage collection of what it came from only so. */
let gpu: ReturnType<typeof create> | null = null;

export const noDeviceReason =
  'Dawn finds no adapter here: install a Vulkan driver, e.g. Mesa 25 with lavapipe';

/** null: there is no adapter here, which CI does not put up with. */
export async function openTestDevice(): Promise<TestDevice | null> {
  Object.assign(globalThis, globals);
  // lavapipe compiles a shader each test: its optimiser takes longer than it saves (Mesa, GALLIVM_PERF).
  process.env['GALLIVM_PERF'] ??= 'nopt';
  gpu ??= create([]);
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (adapter === null) {
    if (process.env['CI'] === 'true') throw new Error(noDeviceReason);
    return null;
  }
  const { limits } = adapter;
  const device = await adapter.requestDevice({
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    },
  });
  return {
    device,
    adapter: { description: adapter.info.description, limits },
    [Symbol.asyncDispose]: async () => {
      device.destroy();
    },
  };
}
