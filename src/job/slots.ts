/** Where does a job name arrays? Every place of a document whose value is one, whatever stands there. */
import type { Path } from './path.ts';

/** A place that holds an array: a path, numbers, a generator. */
export interface Slot {
  readonly path: Path;
  readonly value: unknown;
}

/** The slots of a document, in its order; a document of the wrong form has those that can be told. */
export function slotsOf(document: unknown): readonly Slot[] {
  const { sources, tracers, sets, pairs, params, loss } = entriesOf(document);
  const group = (path: Path, value: unknown): readonly Slot[] =>
    Object.entries(entriesOf(value))
      .filter(([name]) => name !== 'rows')
      .map(([name, slot]) => ({ path: [...path, name], value: slot }));
  const terms = Array.isArray(loss) ? (loss as readonly unknown[]) : [];
  return [
    ...group(['sources'], sources),
    ...group(['tracers'], tracers),
    ...Object.entries(entriesOf(sets)).flatMap(([name, set]) => group(['sets', name], set)),
    ...named(['pairs'], pairs),
    ...named(['params'], params),
    ...terms.flatMap((term, k) => named(['loss', k, 'with'], entriesOf(term)['with'])),
  ];
}

/** Entries of which none is a count of rows. */
function named(path: Path, value: unknown): readonly Slot[] {
  return Object.entries(entriesOf(value)).map(([name, slot]) => ({ path: [...path, name], value: slot }));
}

function entriesOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)
    ? (value as Record<string, unknown>)
    : {};
}
