/** Where is the WebGPU engine? On its own branch; this one only lets the processes around it be built. */
import { SkewflowError } from '../../../errors.ts';
import type { EngineOptions } from '../discover.ts';
import type { Engine } from '../engine.ts';

export function webGpuEngine(
  _device: GPUDevice,
  _adapter: { readonly description: string; readonly limits: GPUSupportedLimits },
  _options: EngineOptions,
): Engine {
  throw new SkewflowError('NoDeviceError', 'the webgpu engine is not in this build');
}
