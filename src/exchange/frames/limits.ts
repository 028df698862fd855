/**
 * How much goes through Redis? It answers one command at a time, so what is large makes everybody wait: these are the sizes
 * up to which an iteration of many workers stays a matter of milliseconds.
 */

/** Parameters of one iteration, in bytes. */
export const iterationBytesMax = 16 * 2 ** 20;
/** One answer, in bytes: above the first it is told of, above the second refused. */
export const answerBytesWarn = 2 ** 20;
export const answerBytesMax = 64 * 2 ** 20;
/** A frame up to this size goes with the command that posts it; copying it twice costs less than another command. */
export const inlineBytesMax = 64 * 2 ** 10;
/**
 * A larger one goes in pieces of this size, between which Redis serves others: a few tenths of a millisecond each. Just below
 * 2¹⁸, because Redis' allocator makes 320 KiB of what is just above.
 */
export const pieceBytes = 255 * 2 ** 10;
/** Answers of one phase that are kept for a coordinator that takes over, in bytes; the oldest that were read go first. */
export const keptBytesMax = 16 * 2 ** 20;
/** Answers that nobody has read yet, and those on their way, in bytes: above it workers wait. */
export const unreadBytesMax = 64 * 2 ** 20;
