/** Where does what cannot be read in place lie while it is read? In this machine's temporary folder, if there is room. */
import { tmpdir } from 'node:os';
import { codeOf, isCodeOfFull, SkewflowError } from '../errors.ts';

/**
 * Why something is not in the temporary folder, as the user reads it: nothing is wrong with the input, and another machine may
 * have room.
 *
 * @param label - how messages name the input
 */
export function noRoomFor(label: string, cause: unknown): SkewflowError {
  const code = codeOf(cause);
  const why = isCodeOfFull(code) ? 'it is full' : cause instanceof Error ? cause.message : String(cause);
  return new SkewflowError(
    'OutOfReachError',
    `${label}: it is read from the temporary folder ${tmpdir()}, and cannot be put there: ${why}; make room, or set TMPDIR to a folder that has some`,
    { path: tmpdir(), code },
    { cause },
  );
}
