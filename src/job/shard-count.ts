/** How many shards a job has when it does not say. */

/** A shard has at least so many tracers for every source, so that its sweep over the sources costs at most 1/16 of its pairs. */
const tracersPerSource = 16;
/** Fewer sources than this cost no more than this many: a shard is worth its message. */
const sourcesAtLeast = 256;
const shardsMax = 4096;

/**
 * The power of two ≤ N/(16 · max(M, 256)), between 1 and 4096.
 *
 * @param tracers - N; 0 for a job of sources alone
 * @param sources - M; 0 for a job without
 */
export function defaultShards(tracers: number, sources: number): number {
  const most = tracers / (tracersPerSource * Math.max(sources, sourcesAtLeast));
  let shards = 1;
  while (shards * 2 <= most && shards < shardsMax) shards *= 2;
  return shards;
}
