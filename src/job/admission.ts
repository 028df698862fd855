/** How much work and memory a job asks for, counted before any of it is done and however large it is. */
import { SkewflowError } from '../errors.ts';
import { schemeNamed } from '../kernels/schemes/table.ts';
import type { Group, System } from '../kernels/system.ts';
import type { Job } from './job.ts';

/** Exact counts: a product such as N·M·T leaves the integers that a double holds. */
export interface Admission {
  /** N, M: rows of the tracers and the sources, 0 for none. */
  readonly tracers: bigint;
  readonly sources: bigint;
  /** T·S: flow evaluations of a row, forward; 1 for a job without a flow. */
  readonly evaluations: bigint;
  /** N·M·T·S: visits of a source by a tracer, forward. */
  readonly pairs: bigint;
  /** M²·T·S: visits of a source by a source, forward. */
  readonly sourcePairs: bigint;
  /** Bytes of all arrays that are read, in the job's precision. */
  readonly inputBytes: bigint;
  /** Bytes of the sources' trajectory, (T·S + 1)·M·e numbers. */
  readonly trajectoryBytes: bigint;
  /** Bytes of N-sized results: gradients, final states, saved states, values. */
  readonly resultBytes: bigint;
}

/**
 * Counts a job.
 *
 * @param steps - T of the grid; the accepted steps of an adaptive run
 */
export function admissionOf(job: Pick<Job, 'output' | 'precision' | 'system'>, steps: number): Admission {
  const { system, precision, output } = job;
  const scalar = precision === 'f32' ? 4n : 8n;
  const tracers = BigInt(system.tracers?.rows ?? 0);
  const sources = BigInt(system.sources?.rows ?? 0);
  const evaluations = system.scheme === null ? 1n : BigInt(steps) * BigInt(stagesOf(system));
  const evolvingTracers = widthOf(system.tracers?.evolving ?? []);
  const saved = output.trajectory ? BigInt(Math.ceil(steps / output.every) + 1) : 0n;
  const wanted = (
    system.tracers === null ? [] : [...system.tracers.evolving, ...system.tracers.constant]
  ).filter(({ name }) => system.gradient.includes(name));
  const values = [...system.values.values()].reduce((sum, { width }) => sum + BigInt(width), 0n);
  const numbersARow = widthOf(wanted) + values + evolvingTracers * ((output.final ? 1n : 0n) + saved);
  return {
    tracers,
    sources,
    evaluations,
    pairs: tracers * sources * evaluations,
    sourcePairs: sources * sources * evaluations,
    inputBytes: scalar * inputNumbers(system),
    trajectoryBytes: scalar * (evaluations + 1n) * sources * widthOf(system.sources?.evolving ?? []),
    resultBytes: scalar * tracers * numbersARow,
  };
}

/** What a host is willing to take on. */
export interface AdmissionLimits {
  readonly pairs: bigint;
  readonly bytes: bigint;
}

/** What is taken on unless something else is wanted: 10¹⁴ pairs a second, a hundred large GPUs, would take three years. */
export const defaultAdmission: AdmissionLimits = Object.freeze({ pairs: 10n ** 22n, bytes: 2n ** 50n });

/**
 * Refuses a job beyond the limits, before any work.
 *
 * @throws MemoryError with the figures
 */
export function refuseBeyond(admission: Admission, limits: AdmissionLimits): void {
  const { pairs, inputBytes, trajectoryBytes, resultBytes } = admission;
  const bytes = inputBytes + trajectoryBytes + resultBytes;
  if (pairs > limits.pairs) {
    throw new SkewflowError(
      'MemoryError',
      `the job visits ${pairs} pairs forward, and at most ${limits.pairs} are admitted here`,
      {
        needed: String(pairs),
        available: String(limits.pairs),
      },
    );
  }
  if (bytes > limits.bytes) {
    throw new SkewflowError(
      'MemoryError',
      `the job's arrays have ${bytes} bytes, and at most ${limits.bytes} are admitted here`,
      {
        needed: String(bytes),
        available: String(limits.bytes),
      },
    );
  }
}

/** Flow evaluations of a step. */
function stagesOf({ scheme }: System): number {
  if (scheme === null) return 0;
  const record = schemeNamed(scheme);
  return record.kind === 'runge-kutta' ? record.b.length : 1;
}

function widthOf(fields: readonly { readonly width: number }[]): bigint {
  return fields.reduce((sum, { width }) => sum + BigInt(width), 0n);
}

function inputNumbers(system: System): bigint {
  const group = (g: Group | null): bigint =>
    g === null ? 0n : BigInt(g.rows) * (widthOf(g.evolving) + widthOf(g.constant));
  const sources = BigInt(system.sources?.rows ?? 0);
  const withArrays = system.terms
    .flatMap((term) => term.with)
    .reduce((sum, w) => sum + BigInt(system[w.group]?.rows ?? 0) * BigInt(w.slices) * BigInt(w.width), 0n);
  return (
    group(system.sources) +
    group(system.tracers) +
    [...system.sets.values()].reduce((sum, set) => sum + group(set), 0n) +
    sources * sources * widthOf(system.pairs) +
    widthOf(system.params) +
    withArrays
  );
}
