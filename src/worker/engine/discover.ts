/**
 * What can compute here? The engines of this machine by name, each loaded only when it is chosen.
 */
import { SkewflowError } from '../../errors.ts';
import type { Engine, Precision } from './engine.ts';

/** `auto`: the best engine that is a product here; never a software GPU, never the reference. */
export type EngineChoice = 'auto' | 'reference' | 'wasm' | 'webgpu';

export interface EngineOptions {
  readonly precision: Precision;
  /** Worker threads of the engine; the reference uses one. */
  readonly threads: number;
  /** Bytes the engine may take for what is resident and for its threads' tiles. */
  readonly memoryBytes: number;
}

/**
 * Open an engine.
 *
 * @throws NoDeviceError when nothing of the chosen kind can compute here
 */
export async function openEngine(choice: EngineChoice, options: EngineOptions): Promise<Engine> {
  switch (choice) {
    case 'auto':
    case 'wasm': {
      const { openWasmEngine } = await import('./wasm/index.ts');
      return openWasmEngine(options);
    }
    case 'reference': {
      const { openReferenceEngine } = await import('./reference/engine.ts');
      return openReferenceEngine();
    }
    case 'webgpu':
      throw new SkewflowError(
        'NoDeviceError',
        'the webgpu engine is not in this version: use `--engine wasm` (or leave `--engine` out)',
      );
  }
}
