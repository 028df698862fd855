/** Where row functions of each kind find what they read: expressions in the buffers of `shapes.ts`. */
import { invariant } from '../../errors.ts';
import { blockRows } from '../block.ts';
import { code, plus, whole } from './code.ts';
import { type Crew, suffixes } from './crew.ts';
import type { Site } from './row-body.ts';
import { rowsOf, type Shapes, type WithShape } from './shapes.ts';

/** What tables depend on besides the program. */
export interface Moments {
  /** First number in `path` of the sources' state now. */
  readonly source: string;
  /** The same at a moment. */
  readonly sourceAt: (moment: string) => string;
  /** Slice of sliced arrays. */
  readonly slice: string;
}

/** What a flow sees: the stage's state and arrays that are the same at all times. */
export const ofStage: Moments = {
  source: 'source',
  sourceAt: () => {
    invariant(false, 'a flow reads one moment');
  },
  slice: '0u',
};

function tableOf(shapes: Shapes, at: Moments): Site['table'] {
  const { sources, given } = shapes;
  return (table, column, index) => {
    const [name = '', moment] = table.split('@');
    const place = (base: string, columns: number): string =>
      `${base} + ${columns === 1 ? index : `${index} * ${whole(columns)}`}${column === 0 ? '' : ` + ${whole(column)}`}`;
    if (name === 'sources.state') {
      const base = moment === undefined ? at.source : at.sourceAt(moment);
      return `path[${place(base, sources.stateComponents)}]`;
    }
    if (name === 'sources.constant')
      return `given[${place(whole(given.constants), sources.constantComponents)}]`;
    if (name.startsWith('sources.with:')) {
      const w = withNamed(shapes, name.slice('sources.with:'.length));
      return `given[${place(sliceStart(w, at.slice, sources.rows), w.width)}]`;
    }
    const set = shapes.sets.findIndex((s) => `${s.name}.constant` === name);
    invariant(set !== -1, `table ${table} is a set's`);
    return `given[${place(whole(given.sets[set] ?? 0), shapes.sets[set]?.columns ?? 1)}]`;
  };
}

function sliceStart(w: WithShape, slice: string, rows: number): string {
  return w.slices === 1 ? whole(w.offset) : `${whole(w.offset)} + ${slice} * ${whole(rows * w.width)}`;
}

function withNamed({ withs }: Shapes, name: string): WithShape {
  const found = withs.find((w) => w.name === name);
  invariant(found !== undefined, `\`${name}\` is an array of a term`);
  return found;
}

const common = (shapes: Shapes, at: Moments): Pick<Site, 'param' | 'rowsOf' | 'sum' | 'table'> => ({
  table: tableOf(shapes, at),
  param: (component) => `given[${whole(shapes.given.params + component)}]`,
  sum: (index) => `given[${plus('sums_at', index)}]`,
  rowsOf: (over) => rowsOf(shapes, over),
});

const noPairs: Site['pair'] = () => {
  invariant(false, 'weights are between sources');
};

/** A tracer: `z` and `κ` are the arrays that a function was given. */
export function tracerSite(
  shapes: Shapes,
  at: Moments,
  stateAt: (moment: string, component: number, s: string) => string = () => '',
): Site {
  return {
    ...common(shapes, at),
    own: (bank, component, s = '') => {
      const [name = '', moment] = bank.split('@');
      if (name === 'state')
        return moment === undefined ? `z${s}[${component}]` : stateAt(moment, component, s);
      if (name === 'constant') return imageAt(shapes.tracers.stateComponents + component, s);
      if (name.startsWith('cotangent:')) return `κ${s}[${component}]`;
      const w = withNamed(shapes, name.slice('with:'.length));
      if (w.slices === 1) return imageAt(w.offset + component, s);
      return `image[image_at${s} + (${at.slice} * ${whole(w.width)} + ${whole(w.offset + component)}) * ${whole(blockRows)}]`;
    },
    pair: noPairs,
    row: (s) => `number${s}`,
  };
}

/** A source; `row` is its number. */
export function sourceSite(shapes: Shapes, row: string): Site {
  const { sources, given } = shapes;
  return {
    ...common(shapes, ofStage),
    own: (bank, component) => {
      if (bank === 'state') return `z[${component}]`;
      if (bank === 'constant') {
        return `given[${plus(`${whole(given.constants)} + ${row} * ${whole(sources.constantComponents)}`, component)}]`;
      }
      if (bank.startsWith('cotangent:')) return `κ[${component}]`;
      const w = withNamed(shapes, bank.slice('with:'.length));
      return `given[${plus(`${whole(w.offset)} + ${row} * ${whole(w.width)}`, component)}]`;
    },
    pair: (field, component, own, bound) => {
      const n = shapes.pairs.findIndex((p) => p.name === field);
      const width = shapes.pairs[n]?.width ?? 1;
      const entry = `(${own} * ${whole(sources.rows)} + ${bound}) * ${whole(width)}`;
      return `given[${plus(`${whole(given.pairs[n] ?? 0)} + ${entry}`, component)}]`;
    },
    row: () => row,
  };
}

/** Nobody: one row without fields. */
export function scalarSite(shapes: Shapes, at: Moments): Site {
  return {
    ...common(shapes, at),
    own: (bank) => {
      invariant(bank.startsWith('cotangent:'), 'a scalar part has no fields of its own');
      return 'κ[0]';
    },
    pair: noPairs,
    row: () => '0u',
  };
}

const imageAt = (component: number, s: string): string =>
  `image[${plus(`image_at${s}`, component * blockRows)}]`;

// --- tracers in a workgroup -------------------------------------------------------------------------------

/** Which rows a thread has, and where their numbers lie. */
export function tracerPlace(shapes: Shapes, crew: Crew = shapes.tracerCrew): string {
  const { rows, lanes, each } = crew;
  const apart = rows / each;
  const own = suffixes(crew);
  return code`
    // The row's number in its block and among all rows; whether there is such a row, or it fills up the block.
    ${own.flatMap((s) => [`var<private> row${s}: u32;`, `var<private> number${s}: u32;`, `var<private> present${s}: bool;`])}
    // Which of the threads of this row this one is.
    var<private> split: u32;
    var<private> block: u32;
    ${own.flatMap((s) => [`var<private> image_at${s}: u32;`, `var<private> carry_at${s}: u32;`])}

    fn place(group: u32) {
      block = group / ${whole(lanes)};
      split = lane / ${whole(apart)};
      ${own.flatMap((s, r) => [
        `row${s} = ${plus(`group % ${whole(lanes)} * ${whole(rows)} + lane % ${whole(apart)}`, r * apart)};`,
        `image_at${s} = plan[block * 3u] * ${whole(shapes.imageComponents * blockRows)} + row${s};`,
        `number${s} = plan[block * 3u + 1u] + row${s};`,
        `present${s} = row${s} < plan[block * 3u + 2u];`,
        `carry_at${s} = block * ${whole(shapes.carry.components * blockRows)} + row${s};`,
      ])}
    }
  `;
}

export const carryAt = (component: number, s = ''): string =>
  `carry[${plus(`carry_at${s}`, component * blockRows)}]`;

/** Component of the state at kept point number `point`, or of what is added to λ there. */
export function keptAt(shapes: Shapes, point: string, component: number, s = ''): string {
  const size = shapes.tracers.stateComponents * blockRows;
  return `kept[${plus(`((${point}) * job.blocks + block) * ${whole(size)} + row${s}`, component * blockRows)}]`;
}

export function heldAt(shapes: Shapes, slot: number, component: number, s = ''): string {
  const size = shapes.tracers.stateComponents * blockRows;
  const step = `(k - job.held) * job.holds * ${whole(shapes.slots)}`;
  return `held[${plus(`((${plus(step, slot)}) * job.blocks + block) * ${whole(size)} + row${s}`, component * blockRows)}]`;
}

/** First number in `path` of the sources' state at a slot of a step, or at a grid point (slot 0). */
export function pathAt(shapes: Shapes, step: string, slot: number): string {
  const size = whole(shapes.sources.rows * shapes.sources.stateComponents);
  return `(${plus(`${step} * ${whole(shapes.slots)}`, slot)}) * ${size}`;
}

/** The time of a flow of step k. */
export function timeOf(shapes: Shapes, fraction: number): string {
  return `given[${plus('step_at', 1 + shapes.fractions.indexOf(fraction))}]`;
}
