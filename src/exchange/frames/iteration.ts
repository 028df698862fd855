/**
 * How does an iteration cross a wire? Arrays as doubles one after the other, names and lengths in the control part.
 */
import { z } from 'zod';
import { SkewflowError } from '../../errors.ts';
import { Iteration, protocolVersion, RowsWanted, RunId } from '../../protocol.ts';
import { decodeControl, encodeControl } from './control.ts';
import { decodeFrame, encodeFrame, malformed } from './frame.ts';
import { iterationBytesMax } from './limits.ts';

const Count = z.int().nonnegative();

/** Everything of an iteration that is no array, and how long the arrays are, in the order they follow. */
const IterationControl = z.strictObject({
  run: RunId,
  fields: z.array(z.tuple([z.string(), Count])),
  times: Count.nullable(),
  sums: Count.nullable(),
  /** Values, then winners. */
  seeds: z.tuple([Count, Count]).nullable(),
  rows: RowsWanted.omit({ trajectory: true }),
  trajectory: Count,
});

/**
 * An iteration as a frame.
 *
 * @throws ProtocolError when the parameters are more than a store should carry
 */
export function encodeIteration(iteration: Iteration, jobDigest: string): Buffer {
  const { run, epoch, number, phase, parameterDigest, fields, times, sums, seeds, rows } = iteration;
  const { trajectory, ...wanted } = rows;
  const arrays: readonly ArrayLike<number>[] = [
    ...fields.values(),
    ...(times === null ? [] : [times]),
    ...(sums === null ? [] : [sums]),
    ...(seeds === null ? [] : [seeds.values, seeds.winners]),
    trajectory,
  ];
  const count = arrays.reduce((total, { length }) => total + length, 0);
  if (8 * count > iterationBytesMax) {
    throw new SkewflowError(
      'ProtocolError',
      `the parameters of an iteration take ${8 * count} bytes, more than the ${iterationBytesMax} that go through Redis: ` +
        'use fewer sources, pairs or sets, or `skewflow run` on one machine',
      { bytes: 8 * count, bytesMax: iterationBytesMax },
    );
  }
  const control = encodeControl({
    run,
    fields: [...fields].map(([name, array]) => [name, array.length]),
    times: times?.length ?? null,
    sums: sums?.length ?? null,
    seeds: seeds && [seeds.values.length, seeds.winners.length],
    rows: wanted,
    trajectory: trajectory.length,
  } satisfies z.infer<typeof IterationControl>);
  const leaves = { begin: -1, end: -1 };
  const header = {
    type: 'iteration',
    jobDigest,
    epoch,
    iteration: number,
    phase,
    parameterDigest,
    leaves,
  } as const;
  return encodeFrame(header, control, count, (reals) => {
    let at = 0;
    for (const array of arrays) {
      reals.set(array, at);
      at += array.length;
    }
  });
}

/**
 * The iteration in a frame.
 *
 * @throws ProtocolError for anything that is no intact frame of an iteration of this job
 */
export function decodeIteration(bytes: Uint8Array, jobDigest: string): Iteration {
  const { header, control, reals } = decodeFrame(bytes, 'iteration');
  if (header.jobDigest !== jobDigest) throw malformed(`of job ${header.jobDigest}, expected ${jobDigest}`);
  const { run, fields, times, sums, seeds, rows, trajectory } = decodeControl(control, IterationControl);
  let at = 0;
  const next = (length: number): Float64Array => {
    at += length;
    return reals.subarray(at - length, at);
  };
  const parsed = Iteration.safeParse({
    protocolVersion,
    run,
    epoch: header.epoch,
    number: header.iteration,
    phase: header.phase,
    parameterDigest: header.parameterDigest,
    fields: new Map(fields.map(([name, length]) => [name, next(length)])),
    times: times === null ? null : next(times),
    sums: sums === null ? null : next(sums),
    seeds: seeds && { values: next(seeds[0]), winners: next(seeds[1]) },
    rows: { ...rows, trajectory: [...next(trajectory)] },
  });
  if (at !== reals.length) throw malformed(`${reals.length} doubles where the control part says ${at}`);
  if (!parsed.success) throw malformed(parsed.error.issues[0]?.message ?? 'not an iteration');
  return parsed.data;
}
