/**
 * Which cotangents the wanted gradients need: everything else is left out of the backward programs.
 */
import type { Expr, Leaf } from '../ir/expr.ts';
import { postorder } from '../ir/walk.ts';
import type { Field, System } from '../system.ts';

/** What a row function's own rows are. */
export type Own = 'scalar' | 'sources' | 'tracers';

export interface Reach {
  /** Whether the cotangent of the group's state is needed, so that its backward sweep runs. */
  readonly sweeps: Readonly<Record<'sources' | 'tracers', boolean>>;
  /** Whether the cotangent of a leaf is needed, in a row function with these own rows. */
  readonly wants: (own: Own) => (leaf: Leaf) => boolean;
}

/** Evolving fields of a group, running integrals among them, with what each depends on. */
export interface Evolution {
  readonly fields: readonly Field[];
  readonly flows: readonly Expr[];
}

/**
 * A state's cotangent is needed when a gradient of that state at the start is wanted, or when its flow reads
 * something whose cotangent is needed. The sources never read the tracers, so two steps settle it.
 */
export function reachOf(system: System, sources: Evolution, tracers: Evolution): Reach {
  const wanted = new Set(system.gradient);
  const states = {
    sources: new Set(sources.fields.map((f) => f.name)),
    tracers: new Set(tracers.fields.map((f) => f.name)),
  };
  const reads = (group: Evolution, needed: (leaf: Leaf) => boolean): boolean =>
    postorder(...group.flows).some((e) => e.kind === 'input' && needed(e.leaf));
  const named = (field: string): boolean => wanted.has(field);
  const sweepsOf = (group: Evolution, needed: (leaf: Leaf) => boolean): boolean =>
    group.fields.some((f) => named(f.name)) || reads(group, needed);

  const constantOrParam = (leaf: Leaf): boolean =>
    (leaf.role === 'own' || leaf.role === 'row' || leaf.role === 'pair' || leaf.role === 'param') &&
    named(leaf.field);
  const sourcesSweep = sweepsOf(sources, constantOrParam);
  const ofSources = (leaf: Leaf): boolean =>
    leaf.role === 'row' && leaf.loop.over === 'sources' && states.sources.has(leaf.field)
      ? sourcesSweep
      : constantOrParam(leaf);
  const tracersSweep = sweepsOf(tracers, ofSources);

  return {
    sweeps: { sources: sourcesSweep, tracers: tracersSweep },
    wants: (own) => (leaf) => {
      if (leaf.role === 'sum') return wanted.size > 0;
      if (leaf.role === 'own' && own === 'sources' && states.sources.has(leaf.field)) return sourcesSweep;
      if (leaf.role === 'own' && own === 'tracers' && states.tracers.has(leaf.field)) return tracersSweep;
      return ofSources(leaf);
    },
  };
}
