/** What numbers a job's arrays hold, checked and in the job's precision. */
import { finiteReals } from '../arrays/finite.ts';
import type { Reals } from '../arrays/source.ts';
import { invariant } from '../errors.ts';
import type { Job } from './job.ts';

/**
 * Rows [begin, end) of an array of the job, row-major.
 *
 * A field has a row for each row of its group; a parameter one; a pair field one for each pair (own · M + bound); an array
 * of a loss term with a slice for each time has rows slice · R + row.
 *
 * @param precision - the job's own by default
 * @throws InputError naming field, row and component of a number that is NaN, infinite or too large for the precision
 */
export async function readField(
  job: Pick<Job, 'arrays' | 'precision'>,
  name: string,
  begin: number,
  end: number,
  precision: Job['precision'] = job.precision,
): Promise<Reals> {
  const source = job.arrays.get(name);
  invariant(source !== undefined, `\`${name}\` is an array of the job: its system names no others`);
  const { label, width, shape } = source;
  const values = await source.read(begin, end);
  return finiteReals(values, precision, { field: name, label, width, shape, firstRow: begin });
}

/** All rows of an array of the job. */
export function readWhole(
  job: Pick<Job, 'arrays' | 'precision'>,
  name: string,
  precision: Job['precision'] = job.precision,
): Promise<Reals> {
  return readField(job, name, 0, job.arrays.get(name)?.rows ?? 0, precision);
}
