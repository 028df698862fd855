/**
 * How does a part of a process count without knowing who reads? By a meter: that of the process where somebody listens
 * (`metrics.ts`, loaded then and not before), a silent one elsewhere.
 */
import type { Metrics } from './metrics.ts';

export type Meter = Pick<Metrics, 'count' | 'observe' | 'set'>;

/** Nobody reads. */
export const silent: Meter = Object.freeze({ count: () => {}, observe: () => {}, set: () => {} });
