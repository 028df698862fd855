/** Which integration schemes there are: the one list in the system. */
import { dopri5 } from './dopri5.ts';
import { euler } from './euler.ts';
import { leapfrog } from './leapfrog.ts';
import { rk4 } from './rk4.ts';
import type { Scheme } from './scheme.ts';
import { heun, ralston } from './second-order.ts';

export const schemes = { dopri5, euler, heun, leapfrog, ralston, rk4 } satisfies Record<string, Scheme>;

/** Name of an integration scheme, as written in a job file. */
export type SchemeName = keyof typeof schemes;

/** The names in alphabetical order. */
export const schemeNames = Object.keys(schemes) as readonly SchemeName[];

export function schemeNamed(name: SchemeName): Scheme {
  return schemes[name];
}
