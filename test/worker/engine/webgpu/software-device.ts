/** A WebGPU device for tests: whatever adapter Dawn finds here, a software Vulkan driver among them. */
import { create, globals } from 'webgpu';

export interface TestDevice extends AsyncDisposable {
  readonly device: GPUDevice;
  readonly adapter: { readonly description: string; readonly limits: GPUSupportedLimits };
}

/** Kept for as long as the process lives: a device outlives garbage collection of what it came from only so. */
let gpu: ReturnType<typeof create> | null = null;

/** null: there is no adapter here. */
export async function openTestDevice(): Promise<TestDevice | null> {
  Object.assign(globalThis, globals);
  gpu ??= create([]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) return null;
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
