/** What of a program may go where functions cannot? */
import type { Program, ProgramOutline } from './program.ts';

export function outlineOf({ phases, wants, layout, sources, terms }: Program): ProgramOutline {
  return {
    phases,
    wants,
    layout: { gradient: layout.gradient },
    sources: sources && { stateComponents: sources.stateComponents },
    terms: terms.map(({ rows, scalar }) => ({
      rows: rows && { by: rows.by, linear: rows.linear },
      scalar: scalar && {},
    })),
  };
}
