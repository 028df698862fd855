/**
 * What an emitted module and its host call the same thing: functions and banks. Light, because every thread loads it.
 */

/** The module's only import: the memory all threads share. Its maximum is the 4 GiB of 32-bit addresses. */
export const memoryImport = {
  module: 'env',
  name: 'memory',
  pagesMin: 1,
  pagesMax: 65_536,
  shared: true,
} as const;

// --- exported functions -----------------------------------------------------------------------------------

/** The sweeps of a group over steps. */
export const sweepNames = (
  group: 'sources' | 'tracers',
): { readonly forward: string; readonly backward: string } => ({
  forward: `${group}.forward`,
  backward: `${group}.backward`,
});

/** A term at one of its points: its part with tracers, and the one without. */
export const termNames = (term: number): { readonly rows: string; readonly scalar: string } => ({
  rows: `term${term}`,
  scalar: `term${term}.scalar`,
});

/** The values at a grid point; their row kernel is called `values`. */
export const valuesName = 'values at';

/** A sweep of several threads begins and ends with it. */
export const barrierName = 'barrier';

// --- banks of a work area ---------------------------------------------------------------------------------

/** The gradient of constant fields: one call's part, and the sum over the sweep. */
export const constantPart = 'constant part';
export const constantGradient = 'constant gradient';

/** Vectors that kernels add to; every call leaves them zero again. */
export const scratchNames = {
  rowSums: 'row sums',
  scatter: (table: string): string => `scatter ${table}`,
} as const;

/** Banks of a term's own: outputs and their cotangents. */
export const termBanks = (name: string): { readonly value: string; readonly cotangent: string } => ({
  value: `${name} value`,
  cotangent: `${name} cotangent`,
});

/** What a term adds to the cotangent of the state, now or at a moment. */
export const seedBank = (moment: string | null): string => (moment === null ? 'seed' : `seed@${moment}`);

/** A value of the tracers. */
export const valueBank = (name: string): string => `value ${name}`;
