/**
 * Everything a caller can act on, one tagged class each. Match by tag (`isSkewflowError(e, 'ShapeError')`), never by
 * `instanceof`: worker threads and Redis lose prototypes. Each class carries the exit code the command line ends with.
 */

/** Exit codes of the command line. */
export const exitCodes = {
  done: 0,
  jobFailed: 1,
  badInput: 2,
  noDevice: 3,
  outOfReach: 4,
  interrupted: 130,
  terminated: 143,
} as const;

/** tag ↦ exit code and where the work may be tried again. */
export const errorTable = {
  /** A formula does not parse or check. Correct the formula at the caret. */
  FormulaError: { exitCode: exitCodes.badInput, retry: 'nowhere' },
  /** The job file has an unknown key, a wrong value or a contradiction. */
  JobFileError: { exitCode: exitCodes.badInput, retry: 'nowhere' },
  /** Arrays disagree in rows or width. */
  ShapeError: { exitCode: exitCodes.badInput, retry: 'nowhere' },
  /** An input array is missing, truncated, of a refused kind, or holds NaN or infinity. */
  InputError: { exitCode: exitCodes.badInput, retry: 'nowhere' },
  /** The command line is wrong: an unknown option, an output folder that exists. */
  UsageError: { exitCode: exitCodes.badInput, retry: 'nowhere' },
  /** The job needs more memory than the device or the budget has. */
  MemoryError: { exitCode: exitCodes.badInput, retry: 'another-device' },
  /** A trajectory, the loss or the gradient is not finite. */
  NonFiniteError: { exitCode: exitCodes.jobFailed, retry: 'nowhere' },
  /** The job ran and failed: `check` above tolerance, a write that did not succeed. */
  JobFailedError: { exitCode: exitCodes.jobFailed, retry: 'anywhere' },
  /** No device of the requested kind can compute here. */
  NoDeviceError: { exitCode: exitCodes.noDevice, retry: 'another-device' },
  /** The device was lost, hung or failed inside an evaluation. */
  DeviceError: { exitCode: exitCodes.jobFailed, retry: 'another-device' },
  /** Redis or the storage root cannot be reached. */
  OutOfReachError: { exitCode: exitCodes.outOfReach, retry: 'anywhere' },
  /** A message or frame that does not follow the protocol. */
  ProtocolError: { exitCode: exitCodes.jobFailed, retry: 'nowhere' },
  /** The caller's AbortSignal or a signal ended the work. */
  AbortedError: { exitCode: exitCodes.interrupted, retry: 'anywhere' },
} as const;

/** What kind of error it is: `ShapeError`, `InputError`, … Each has one remedy and one exit code. */
export type ErrorTag = keyof typeof errorTable;

/**
 * An error a caller can act on. `message` says what was expected, what came and what to do.
 *
 * @example
 * run('job.yaml').catch((e) => isSkewflowError(e, 'FormulaError') && console.log(e.details['line'], e.message));
 */
export class SkewflowError extends Error {
  /** Which kind of error it is: what to match on. */
  readonly tag: ErrorTag;
  /** Figures behind the message, e.g. `{ needed, available }` in bytes, `{ line, column }`. */
  readonly details: Readonly<Record<string, boolean | number | string | null>>;

  /** The cause, where there is one, is in `options`. */
  constructor(
    tag: ErrorTag,
    message: string,
    details: Readonly<Record<string, boolean | number | string | null>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = tag;
    this.tag = tag;
    this.details = details;
  }
}

/**
 * Whether `e` is an error of this project, and of that tag when one is given.
 *
 * @param e - whatever was thrown
 * @param tag - the kind that is asked for
 *
 * @example
 * try {
 *   await run('job.yaml');
 * } catch (e) {
 *   if (!isSkewflowError(e, 'MemoryError')) throw e;
 *   console.log(e.details['needed'], e.details['available']); // bytes
 * }
 */
export function isSkewflowError(e: unknown, tag?: ErrorTag): e is SkewflowError {
  if (!(e instanceof Error) || !('tag' in e) || typeof e.tag !== 'string' || !(e.tag in errorTable))
    return false;
  return tag === undefined || e.tag === tag;
}

/** What the operating system calls a failure, as `ENOENT`; null: it is none of its own. */
export function codeOf(cause: unknown): string | null {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : null;
}

/** Whether this code of the system says that a disk is full, or somebody's share of it. */
export function isCodeOfFull(code: unknown): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** What the operating system says when a disk, or the way to it, failed: nothing is wrong with what was asked for. */
const failures: ReadonlySet<unknown> = new Set([
  'EAGAIN',
  'EBUSY',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EINTR',
  'EIO',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENODEV',
  'ENOLCK',
  'ENOTCONN',
  'ENXIO',
  'EREMOTEIO',
  'ESTALE',
  'ETIMEDOUT',
]);

/** Whether this code of the system says that a disk failed: later, or on another machine, the same may succeed. */
export function isCodeOfFailure(code: unknown): boolean {
  return failures.has(code);
}

/**
 * `--out "$OUT"` where OUT is not set names no folder, not even the one we are in.
 *
 * @throws UsageError for an empty name
 */
export function refuseNameless(folder: string, which: string): void {
  if (folder === '') throw new SkewflowError('UsageError', `the name of the ${which} folder is empty`);
}

/** For what cannot happen; the message says why it cannot. */
export function invariant(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${why}`);
}

/** What the operating system refuses a write with, in words. */
const refusals: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'a file is in its way',
  ENOSPC: 'no space is left on the disk',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
};

/** The error for a file or folder that could not be written. */
export function unwritable(path: string, cause: unknown): SkewflowError {
  const why = refusals[codeOf(cause) ?? ''] ?? (cause instanceof Error ? cause.message : String(cause));
  return new SkewflowError('JobFailedError', `${path}: could not be written: ${why}`, {}, { cause });
}
