/**
 * How many rows are summed as one? The block: the unit of summation inside a shard, whose sums meet in a tree.
 *
 * It reaches the bits of every result, on every engine: a constant of the project, not of a device or a job.
 */
export const blockRows = 256;
