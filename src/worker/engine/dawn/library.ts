/**
 * How is Dawn used under Node? It is loaded when a GPU is wanted and not before, kept alive, and kept from burning a core.
 */
import { quietPolling } from './polling.ts';

/** What `create` of the package gives: it must be referenced while any device lives, or its collection ends the process. */
const keptAlive: GPU[] = [];

/**
 * An entry to Dawn.
 *
 * @param flags - `backend=…`, `adapter=…`: what it may choose from
 */
export async function dawn(flags: readonly string[]): Promise<GPU> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  quietPolling(globalThis);
  const gpu = create([...flags]);
  keptAlive.push(gpu);
  return gpu;
}

/** The interface Dawn is asked for on this system; one that is slower or older would list each GPU again. */
export function backendOf(platform: NodeJS.Platform): string {
  const known: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'metal', win32: 'd3d12' };
  return known[platform] ?? 'vulkan';
}
