/**
 * What is known of a GPU, and which of several is meant? Pure: what Dawn and Mesa print is read here, and nothing is run.
 */
import { z } from 'zod';

/** A GPU as Dawn shows it. */
export const Adapter = z.strictObject({
  /** The driver's name of it, by which Dawn finds it: `NVIDIA GeForce RTX 4090`. Identical GPUs have the same. */
  name: z.string(),
  /** The interface it is reached by: vulkan, metal, d3d12. */
  backend: z.string(),
  vendor: z.string(),
  architecture: z.string(),
  /** The driver with its version. */
  driver: z.string(),
  /** Whether it computes on the processor: for tests, never taken by `auto`. */
  software: z.boolean(),
  limits: z.record(z.string(), z.number()),
});
export type Adapter = z.infer<typeof Adapter>;

/** Names of drivers that compute on the processor, where a driver does not say so itself. */
const softwareNames = /llvmpipe|lavapipe|swiftshader|softpipe|basic render/i;

export function isSoftware(info: {
  readonly isFallbackAdapter: boolean;
  readonly architecture: string;
  readonly name: string;
}): boolean {
  return info.isFallbackAdapter || info.architecture === 'software' || softwareNames.test(info.name);
}

/** What Dawn says when asked for an adapter that is not there: one line for each that is. */
export function readDawnList(
  message: string,
): readonly { readonly backend: string; readonly name: string }[] {
  return [...message.matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm)].map(
    ([, backend = '', name = '']) => ({ backend, name }),
  );
}

/** Where a GPU sits on its bus, e.g. `0000:65:00.0`. */
export type PciAddress = string;

/** What Mesa's device-select layer lists (`MESA_VK_DEVICE_SELECT=list`); the address is null for a driver without a bus. */
export function readMesaList(
  text: string,
): readonly { readonly name: string; readonly address: PciAddress | null }[] {
  const line =
    /^ {2}GPU \d+: [\da-f]+:[\da-f]+ "(.*)" [A-Za-z ]*?(?: ([\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d))?$/gm;
  return [...text.matchAll(line)].map(([, name = '', address]) => ({ name, address: address ?? null }));
}

/** Variables under which a process sees the GPU at that address alone, by Mesa's device-select layer. */
export function onlyAt(address: PciAddress): Readonly<Record<string, string>> {
  return { DRI_PRIME: `pci-${address.replaceAll(/[:.]/g, '_')}!` };
}

/** Variables under which the Vulkan loader knows one driver alone; the second is what loaders before 1.3.207 read. */
export function onlyDriver(file: string): Readonly<Record<string, string>> {
  return { VK_DRIVER_FILES: file, VK_ICD_FILENAMES: file };
}
