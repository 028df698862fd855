/** How parts of buffers are read: copied one after another into one buffer, mapped once. */
import { type Buffers, type Recorder, usage } from './gpu.ts';

export function readBack({ recorder, buffers }: { readonly recorder: Recorder; readonly buffers: Buffers }): {
  readonly add: (from: GPUBuffer, offset: number, bytes: number) => number;
  readonly read: () => Promise<ArrayBuffer>;
} {
  const copies: (readonly [GPUBuffer, number, number, number])[] = [];
  let next = 0;
  return {
    add: (from, offset, bytes) => {
      const at = next;
      if (bytes > 0) copies.push([from, offset, at, bytes]);
      next = at + Math.ceil(bytes / 8) * 8;
      return at;
    },
    read: async () => {
      if (next === 0) {
        recorder.submit();
        return new ArrayBuffer(0);
      }
      const to = buffers.reserve('back', next, usage.mapRead | usage.copyTarget);
      for (const [from, offset, at, bytes] of copies) recorder.copy(from, offset, to, at, bytes);
      return recorder.read(to, next);
    },
  };
}
