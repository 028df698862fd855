/**
 * What of an evaluation's inputs does the child know already? A run asks again and again on one grid, with the same constants, and
 * often with the same sources: what has not changed since the evaluation before does not travel again.
 *
 * An array is the same where it is the same object, since nobody writes to one that a session has been given (`Inputs`), or where
 * its bytes are: what comes through Redis is a new array each time. Grids are the same where they are the same object.
 */
import { invariant } from '../../errors.ts';
import type { Grid } from '../../kernels/sweep/program.ts';
import type { Inputs } from '../engine/engine.ts';

/** What differs from the evaluation before. */
export interface News {
  /** null: the same. */
  readonly grid: Grid | null;
  /** Whether the fields are these alone, and not those of before with these in their place. */
  readonly anew: boolean;
  readonly fields: ReadonlyMap<string, Float64Array>;
}

/** The asker's side: what a session has been sent. */
export class SentInputs {
  #grid: Grid | null = null;
  #fields: ReadonlyMap<string, Float64Array> = new Map();

  /** The session is another process's now, which knows nothing. */
  forget(): void {
    this.#grid = null;
    this.#fields = new Map();
  }

  /** What has to be sent for the child to have these inputs; taken as sent from here on. */
  news({ grid, fields }: Inputs): News {
    const before = this.#fields;
    const anew = before.size !== fields.size || [...fields.keys()].some((name) => !before.has(name));
    const all = new Map<string, Float64Array>();
    const news = new Map<string, Float64Array>();
    for (const [name, values] of fields) {
      const sent = anew ? undefined : before.get(name);
      const known = sent !== undefined && (sent === values || sameBytes(sent, values));
      all.set(name, values);
      if (!known) news.set(name, values);
    }
    const newGrid = grid === this.#grid ? null : grid;
    this.#grid = grid;
    this.#fields = all;
    return { grid: newGrid, anew, fields: news };
  }
}

/** The child's side: what it has been sent of a session. */
export class KnownInputs {
  #inputs: Inputs | null = null;

  hear({ grid, anew, fields }: News): Inputs {
    const before = this.#inputs;
    const now = grid ?? before?.grid;
    invariant(now !== undefined, 'the first evaluation of a session brings a grid');
    this.#inputs = { grid: now, fields: anew ? fields : new Map([...(before?.fields ?? []), ...fields]) };
    return this.#inputs;
  }
}

function sameBytes(a: Float64Array, b: Float64Array): boolean {
  const bytes = (x: Float64Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  return a.length === b.length && bytes(a).equals(bytes(b));
}
