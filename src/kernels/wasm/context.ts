/**
 * What a sweep is told when it is called: one record in memory, of named i32 fields, counters and call frames.
 *
 * A sweep function gets the record's address and reads everything from it, so that one module serves every thread and
 * every shard. Offsets are settled while the module is emitted; the host fills the fields by name.
 */
import type { FrameLayout } from './frame.ts';
import { vectorBytes } from './frame.ts';

/** The record, as the host sees it. Plain data: it is sent to the threads. */
export interface ContextPlan {
  readonly bytes: number;
  /** Name of a field ↦ byte offset of its i32. */
  readonly fields: Readonly<Record<string, number>>;
  readonly frames: readonly FramePlan[];
}

/** The call frame of one row kernel inside a context. */
export interface FramePlan {
  /** Name of the row function. */
  readonly name: string;
  readonly offset: number;
  /** f64: rows visited so far, added to at every call. */
  readonly rowsVisited: number;
  readonly layout: FrameLayout;
}

/** Collects the record while functions that read it are emitted. */
export interface ContextBuilder {
  /** Offset of the i32 field of that name; the first call makes it. */
  readonly field: (name: string) => number;
  /** Reserves the frame of a kernel. */
  readonly frame: (name: string, layout: FrameLayout) => FramePlan;
  readonly plan: () => ContextPlan;
}

export function contextBuilder(): ContextBuilder {
  const fields: Record<string, number> = {};
  const frames: FramePlan[] = [];
  let next = 0;
  const take = (bytes: number, align: number): number => {
    const offset = Math.ceil(next / align) * align;
    next = offset + bytes;
    return offset;
  };
  return {
    field: (name) => (fields[name] ??= take(4, 4)),
    frame: (name, layout) => {
      const frame = {
        name,
        offset: take(layout.bytes, vectorBytes),
        rowsVisited: take(8, 8),
        layout,
      };
      frames.push(frame);
      return frame;
    },
    plan: () => ({
      bytes: Math.ceil(next / vectorBytes) * vectorBytes,
      fields: { ...fields },
      frames: [...frames],
    }),
  };
}
