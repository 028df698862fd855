/**
 * Which of the GPUs that are here compute? Pure: hardware ones all together, a software one only where it is asked for and
 * nothing else is there, and those that `--devices` names.
 */
import { SkewflowError } from '../../../errors.ts';
import type { Gpu } from './adapters.ts';

export interface Wish {
  /** Whether a software adapter is better than nothing. */
  readonly software: boolean;
  /** Numbers of GPUs; null: whatever is best. */
  readonly devices: readonly number[] | null;
}

/**
 * The GPUs to use, in the order they were named; none where none will do.
 *
 * @throws UsageError for a number that is not among them
 */
export function pickGpus(gpus: readonly Gpu[], { software, devices }: Wish): readonly Gpu[] {
  const hardware = gpus.filter((gpu) => !gpu.adapter.software);
  if (devices !== null) return devices.map((index) => named(software ? gpus : hardware, gpus, index));
  if (hardware.length > 0) return hardware;
  return software ? gpus.slice(0, 1) : [];
}

function named(allowed: readonly Gpu[], gpus: readonly Gpu[], index: number): Gpu {
  const found = allowed.find((gpu) => gpu.index === index);
  if (found !== undefined) return found;
  const is = gpus.some((gpu) => gpu.index === index)
    ? 'is a software adapter, which only `--engine webgpu` uses'
    : 'is not here';
  const there = allowed.length === 0 ? 'no hardware GPU' : allowed.map((gpu) => gpu.index).join(', ');
  throw new SkewflowError(
    'UsageError',
    `device ${index} ${is}; there ${allowed.length === 1 || allowed.length === 0 ? 'is' : 'are'} ${there} (see \`skewflow devices\`)`,
    { device: index },
  );
}
