/**
 * How is Dawn used under Node? It is loaded when a GPU is wanted and not before, kept alive, and kept from burning a core.
 */
import { quietPolling } from './polling.ts';

/** What `create` of the package gives: it must be referenced while any device lives, or its collection ends the process. */
const keptAlive: GPU[] = [];

/**
 * Shaders come from our own emitter and index within bounds that it knows. Dawn's clamps of every index, and the counters it
 * puts into loops so that they end, cost more than the work in them (measured on an H100: a gradient takes 1.8 × as long).
 */
const unchecked = 'enable-dawn-features=disable_robustness';

/**
 * An entry to Dawn.
 *
 * @param flags - `backend=…`, `adapter=…`: what it may choose from
 */
export async function dawn(flags: readonly string[]): Promise<GPU> {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  quietPolling(globalThis);
  const gpu = create([...flags, unchecked]);
  keptAlive.push(gpu);
  return gpu;
}

/** The interface Dawn is asked for on this system; one that is slower or older would list each GPU again. */
export function backendOf(platform: NodeJS.Platform): string {
  const known: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'metal', win32: 'd3d12' };
  return known[platform] ?? 'vulkan';
}
