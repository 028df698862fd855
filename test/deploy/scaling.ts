/**
 * What would KEDA do? The ScaledObject's triggers and formula, evaluated on a Redis as its `redis` scaler does.
 *
 * kedacore/keda, pkg/scalers/redis_scaler.go (v2): the type of the key decides how it is counted.
 */
import type { Redis } from 'ioredis';
import { render } from './rendered.ts';

const countOf = `
  local listName = KEYS[1]
  local listType = redis.call('type', listName).ok
  local cmd = { zset = 'zcard', set = 'scard', list = 'llen', hash = 'hlen', none = 'llen' }
  return redis.call(cmd[listType], listName)
`;

interface ScaledObjectSpec {
  readonly minReplicaCount: number;
  readonly maxReplicaCount: number;
  readonly advanced: { readonly scalingModifiers: { readonly formula: string; readonly target: string } };
  readonly triggers: readonly { readonly name: string; readonly metadata: { readonly listName: string } }[];
}

/** The ScaledObject of the overlay `keda`. */
export function scaledObject(): ScaledObjectSpec {
  const found = render('keda').find(({ kind }) => kind === 'ScaledObject');
  return found?.spec as unknown as ScaledObjectSpec;
}

/** How many workers are wanted now. */
export async function wantedReplicas(redis: Redis): Promise<number> {
  const { advanced, triggers, minReplicaCount, maxReplicaCount } = scaledObject();
  const { formula, target } = advanced.scalingModifiers;
  const counts = new Map<string, number>();
  for (const { name, metadata } of triggers)
    counts.set(name, Number(await redis.eval(countOf, 1, metadata.listName)));
  // A sum of triggers is all that the formula is; anything else fails here.
  const value = formula.split('+').reduce((sum, term) => {
    const count = counts.get(term.trim());
    if (count === undefined) throw new Error(`the formula names \`${term.trim()}\`, which is no trigger`);
    return sum + count;
  }, 0);
  return Math.min(maxReplicaCount, Math.max(minReplicaCount, Math.ceil(value / Number(target))));
}
