/** What can be drawn of a folder of results? Whatever it holds: convergence, final states, trajectories, gradient norms. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type ResultArray, resultArrays } from '../arrays/result-arrays.ts';
import { SkewflowError, unwritable } from '../errors.ts';
import { convergencePlot } from './convergence.ts';
import { readHistory } from './history.ts';
import { pngDrawing } from './png.ts';
import { type Axis, type Mark, type Panel, type Point, rangeOf, svgOf } from './svg.ts';

/** Dots of a cloud, and paths, that are drawn at most: a picture of more is no clearer, and too large to open. */
const dotsMax = 20_000;
const pathsMax = 300;

/** What is drawn beside the SVG files. */
export interface PlotOptions {
  /** Each picture as PNG, too, drawn by sharp where that is installed (`npm install sharp`). Default: false. */
  readonly png?: boolean;
}

/**
 * Draw what a folder of results holds, into SVG files in it.
 *
 * @returns the paths written
 * @throws InputError when it is no folder of results, or has nothing that can be drawn; UsageError when PNGs cannot be drawn; JobFailedError
 * where nothing can be written
 */
export async function plotFolder(
  folder: string,
  { png = false }: PlotOptions = {},
): Promise<readonly string[]> {
  const result = await readFile(join(folder, 'result.json'), 'utf8').catch((cause: unknown) => {
    throw new SkewflowError(
      'InputError',
      `${folder} is no folder of results: it has no result.json`,
      {},
      { cause },
    );
  });
  const draw = png ? await pngDrawing() : null;
  const { name = basename(resolve(folder)), gradientNorms = {} } = JSON.parse(result) as Summary;
  const history = await readFile(join(folder, 'history.csv'), 'utf8').then(readHistory, () => null);
  const pictures: readonly (readonly [file: string, svg: string | null])[] = [
    ['convergence.svg', history === null ? null : convergencePlot(name, history)],
    ['final.svg', await finalPlot(name, folder)],
    ['trajectory.svg', await trajectoryPlot(name, folder)],
    ['gradient.svg', gradientPlot(name, gradientNorms)],
  ];
  const written: string[] = [];
  for (const [file, svg] of pictures) {
    if (svg === null) continue;
    await save(join(folder, file), svg);
    written.push(join(folder, file));
    if (draw === null) continue;
    const picture = join(folder, file.replace(/svg$/u, 'png'));
    await save(picture, await draw(svg));
    written.push(picture);
  }
  if (written.length > 0) return written;
  throw new SkewflowError(
    'InputError',
    `${folder} holds nothing to draw: add \`gradient\`, \`optimize\` or \`output: { save: [final] }\` to the job`,
  );
}

async function save(path: string, data: Buffer | string): Promise<void> {
  await writeFile(path, data).catch((cause: unknown) => {
    throw unwritable(path, cause);
  });
}

interface Summary {
  readonly name?: string;
  readonly gradientNorms?: Readonly<Record<string, number>>;
}

// --- clouds -----------------------------------------------------------------------------------------------

/** States at the end time as clouds; in grey where they were at the first saved time. */
async function finalPlot(name: string, folder: string): Promise<string | null> {
  const panels: Panel[] = [];
  const trajectories = await resultArrays(folder, 'trajectory');
  for (const { field, open } of await resultArrays(folder, 'final')) {
    const end = await openRows(open);
    if (end === null) continue;
    const saved = trajectories.find((trajectory) => trajectory.field === field);
    const start = saved === undefined ? null : await openRows(saved.open, dotsMax, 1);
    const view = viewOf(end.rows);
    const cloud = (rows: readonly Row[], colour: string): Mark => ({
      kind: 'dots',
      points: rows.map((row) => seen(row, view)),
      radius: end.count > 2000 ? 0.8 : end.count > 200 ? 1.8 : 3,
      colour,
      opacity: 0.7,
    });
    const before = start === null ? [] : [cloud(start.rows, '#9a9a9a')];
    panels.push(cloudPanel(field, view, [...before, cloud(end.rows, '#303e97')]));
  }
  const subtitle = 'states at the end time (blue) and, where trajectories were saved, at the start (grey)';
  return panels.length === 0 ? null : svgOf({ title: `${name}: final`, subtitle, panels });
}

/** The way of some rows, from the first saved time to the last. */
async function trajectoryPlot(name: string, folder: string): Promise<string | null> {
  const panels: Panel[] = [];
  for (const { field, open } of await resultArrays(folder, 'trajectory')) {
    const saved = await openRows(open, pathsMax);
    if (saved === null || saved.times.length < 2) continue;
    const view = viewOf(saved.times.flat());
    const paths = saved.rows.map(
      (_, n): Mark => ({
        kind: 'line',
        points: saved.times.map((rows) => seen(rows[n] as Row, view)),
        width: 0.8,
        colour: '#268bb2',
        opacity: 0.6,
      }),
    );
    const last = saved.times.at(-1) ?? [];
    const ends: Mark = {
      kind: 'dots',
      points: last.map((row) => seen(row, view)),
      radius: 1.6,
      colour: '#303e97',
      opacity: 1,
    };
    panels.push(cloudPanel(field, view, [...paths, ends]));
  }
  return panels.length === 0
    ? null
    : svgOf({ title: `${name}: trajectories`, subtitle: 'a dot where each ends', panels });
}

type Row = readonly number[];

/** Which two components are looked at: those that spread most. */
interface View {
  readonly across: number;
  readonly up: number;
}

function viewOf(rows: readonly Row[]): View {
  const width = rows[0]?.length ?? 0;
  const spreads = Array.from({ length: width }, (_, c) => {
    const [low, high] = bulkOf(rows.map((row) => row[c] as number)).range;
    return { c, spread: high - low };
  });
  const [a, b] = [...spreads].sort((one, other) => other.spread - one.spread);
  const pair = [a?.c ?? 0, b?.c ?? 0].sort((one, other) => one - other);
  return { across: pair[0] ?? 0, up: pair[1] ?? 0 };
}

function seen(row: Row, { across, up }: View): Point {
  return [row[across] as number, row[up] as number];
}

function cloudPanel(field: string, { across, up }: View, marks: readonly Mark[]): Panel {
  const points = marks.flatMap((mark) => (mark.kind === 'bars' ? [] : mark.points));
  const axis = (label: string, values: readonly number[]): Axis => {
    const { range, isWhole } = bulkOf(values);
    return { label: isWhole ? label : `${label} (some lie farther out)`, range, scale: 'linear' };
  };
  return {
    x: axis(
      `${field}[${across}]`,
      points.map(([x]) => x),
    ),
    y: axis(
      `${field}[${up}]`,
      points.map(([, y]) => y),
    ),
    marks,
    equal: true,
    height: 520,
  };
}

/** Fewer numbers than this are all shown. */
const bulkMin = 100;
/** How many times as far as the middle 98 % the others may reach before they are left out. */
const stretchMax = 4;

/** Where nearly all of some numbers are: one asteroid that is thrown out of its system must not make a dot of the others. */
function bulkOf(values: readonly number[]): { readonly range: Axis['range']; readonly isWhole: boolean } {
  const range = rangeOf(values, 'linear');
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const [low, high] = [at(0.01), at(0.99)];
  const spread = high - low;
  const isWhole = sorted.length < bulkMin || spread === 0 || range[1] - range[0] <= stretchMax * spread;
  return { range: isWhole ? range : [low - spread / 2, high + spread / 2], isWhole };
}

interface Rows {
  /** N, of which `rows` are some. */
  readonly count: number;
  /** At the first time; the only one of an array without times. */
  readonly rows: readonly Row[];
  readonly times: readonly (readonly Row[])[];
}

/** One row of so many, or more of them, is drawn: those between are read with it, so many numbers at once. */
const strideMax = 16;
const readMax = 2 ** 20;

/**
 * Evenly spread rows of an array N × d or times × N × d with d from 2, at the first so many times; null for another shape, and
 * for an array that cannot be read.
 */
async function openRows(
  open: ResultArray['open'],
  rowsMax = dotsMax,
  timesMax = Number.POSITIVE_INFINITY,
): Promise<Rows | null> {
  const array = await open().catch(() => null);
  if (array === null) return null;
  try {
    const [times, count, width] = array.shape.length === 2 ? [1, ...array.shape] : array.shape;
    const drawn = array.shape.length < 4 && (width ?? 0) >= 2 && (count ?? 0) > 0;
    if (!drawn || times === undefined || count === undefined || width === undefined) return null;
    const stride = Math.ceil(count / rowsMax);
    const rowsAtOnce = stride > strideMax ? 1 : Math.max(1, Math.floor(readMax / (stride * width))) * stride;
    const slices: Row[][] = [];
    for (let t = 0; t < Math.min(times, timesMax); t++) {
      const slice: Row[] = [];
      for (let first = 0; first < count; first += Math.max(rowsAtOnce, stride)) {
        const at = t * count + first;
        const read = await array.elements(at * width, Math.min(at + rowsAtOnce, (t + 1) * count) * width);
        for (let n = 0; n < read.length; n += stride * width) slice.push([...read.subarray(n, n + width)]);
      }
      slices.push(slice);
    }
    return slices.length === 0 ? null : { count, rows: slices[0] ?? [], times: slices };
  } finally {
    await array.close();
  }
}

// --- gradients --------------------------------------------------------------------------------------------

/** Norms on a logarithmic scale, the largest first. */
function gradientPlot(name: string, norms: Readonly<Record<string, number>>): string | null {
  const bars = Object.entries(norms)
    .map(([field, value]) => ({ name: `∂L/∂${field}`, value }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value);
  if (bars.length === 0) return null;
  const panel: Panel = {
    x: {
      label: 'Euclidean norm',
      range: rangeOf(
        bars.map(({ value }) => value),
        'log',
      ),
      scale: 'log',
    },
    y: { label: '', range: [0, 1], scale: 'linear' },
    marks: [{ kind: 'bars', bars, colour: '#268bb2' }],
    equal: false,
    height: 34 * bars.length + 20,
  };
  return svgOf({ title: `${name}: gradient`, subtitle: 'norms of the gradient by field', panels: [panel] });
}
