/**
 * How much goes through Redis? It answers one command at a time, so what is large makes everybody wait: these are the sizes
 * up to which an iteration of many workers stays a matter of milliseconds.
 */

/** Parameters of one iteration, in bytes. */
export const iterationBytesMax = 16 * 2 ** 20;
/** One leaf's answer, in bytes: above the first it is warned of, above the second refused. */
export const answerBytesWarn = 256 * 2 ** 10;
export const answerBytesMax = 2 ** 20;
/** Answers of one phase that are kept for a coordinator that takes over, in bytes; the oldest that were read go first. */
export const keptBytesMax = 16 * 2 ** 20;
/** Answers that nobody has read yet, in bytes: above it workers wait. */
export const unreadBytesMax = 64 * 2 ** 20;
