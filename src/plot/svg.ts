/** How does a picture become SVG? Panels with axes, one below the other, marks in the units of the axes. */

/** One axis of a panel: what it shows, and from where to where. */
export interface Axis {
  readonly label: string;
  readonly range: readonly [low: number, high: number];
  readonly scale: 'linear' | 'log';
}

export type Point = readonly [x: number, y: number];

export type Mark =
  | {
      readonly kind: 'dots';
      readonly points: readonly Point[];
      readonly radius: number;
      readonly colour: string;
      readonly opacity: number;
    }
  | {
      readonly kind: 'line';
      readonly points: readonly Point[];
      readonly width: number;
      readonly colour: string;
      readonly opacity: number;
    }
  /** Horizontal bars from the left edge, one a row from the top, each with its name and figure. */
  | {
      readonly kind: 'bars';
      readonly bars: readonly { readonly name: string; readonly value: number }[];
      readonly colour: string;
    };

/** One plot. `equal`: a unit is as long across as up. */
export interface Panel {
  readonly x: Axis;
  readonly y: Axis;
  readonly marks: readonly Mark[];
  readonly equal: boolean;
  readonly height: number;
}

export interface Page {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly Panel[];
}

const width = 760;
const margin = { left: 92, right: 28, top: 70, between: 30, bottom: 62 } as const;

/** The page as an SVG document that needs nothing else. */
export function svgOf({ title, subtitle, panels }: Page): string {
  const bodies: string[] = [];
  let top: number = margin.top;
  for (const panel of panels) {
    bodies.push(panelText(panel, top));
    top += panel.height + margin.bottom + margin.between;
  }
  const height = top - margin.between;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">
<title>${escaped(title)}</title>
<style>.grid{stroke:#e4e4e4;fill:none}text{fill:#444}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${margin.left}" y="30" font-size="18" font-weight="600">${escaped(title)}</text>
<text x="${margin.left}" y="50">${escaped(subtitle)}</text>
${bodies.join('\n')}
</svg>
`;
}

/** The smallest range around some numbers, with a little air; for a log axis of positive numbers by factors. */
export function rangeOf(values: readonly number[], scale: Axis['scale']): readonly [number, number] {
  const finite = values.filter((v) => Number.isFinite(v) && (scale === 'linear' || v > 0));
  if (finite.length === 0) return scale === 'log' ? [1, 10] : [0, 1];
  let [low, high] = [Infinity, -Infinity];
  for (const v of finite) [low, high] = [Math.min(low, v), Math.max(high, v)];
  if (scale === 'log') return low === high ? [low / 10, high * 10] : [low / 1.6, high * 1.6];
  const air = low === high ? Math.abs(low) / 2 || 1 : 0.04 * (high - low);
  return [low - air, high + air];
}

// --- one panel --------------------------------------------------------------------------------------------

/** Where numbers lie on the page. */
interface Frame {
  readonly top: number;
  readonly height: number;
  readonly across: (value: number) => number;
  readonly up: (value: number) => number;
}

const inner = width - margin.left - margin.right;

function panelText(panel: Panel, top: number): string {
  const [x, y] = panel.equal ? equalised(panel) : [panel.x, panel.y];
  const frame: Frame = {
    top,
    height: panel.height,
    across: (value) => round(margin.left + inner * share(x, value)),
    up: (value) => round(top + panel.height * (1 - share(y, value))),
  };
  const bottom = top + panel.height;
  const noRows = panel.marks.some(({ kind }) => kind === 'bars');
  return [
    ...ticksOf(x).map((t) => {
      const at = frame.across(t);
      return `<path d="M${at} ${top}V${bottom}" class="grid"/><text x="${at}" y="${bottom + 18}" text-anchor="middle">${figure(t)}</text>`;
    }),
    ...(noRows ? [] : ticksOf(y)).map((t) => {
      const at = frame.up(t);
      return `<path d="M${margin.left} ${at}H${margin.left + inner}" class="grid"/><text x="${margin.left - 8}" y="${at + 4}" text-anchor="end">${figure(t)}</text>`;
    }),
    `<svg x="${margin.left}" y="${top}" width="${inner}" height="${panel.height}" viewBox="${margin.left} ${top} ${inner} ${panel.height}">`,
    ...panel.marks.map((mark) => markText(mark, frame)),
    '</svg>',
    `<rect x="${margin.left}" y="${top}" width="${inner}" height="${panel.height}" fill="none" stroke="#999"/>`,
    `<text x="${margin.left + inner / 2}" y="${bottom + 40}" text-anchor="middle">${escaped(x.label)}</text>`,
    `<text transform="translate(20 ${top + panel.height / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`,
  ].join('\n');
}

function markText(mark: Mark, { across, up, top, height }: Frame): string {
  switch (mark.kind) {
    case 'bars': {
      const pitch = height / mark.bars.length;
      return mark.bars
        .map(({ name, value }, n) => {
          const middle = round(top + pitch * (n + 0.5));
          const bar = `<rect x="${margin.left}" y="${round(middle - pitch * 0.3)}" width="${round(Math.max(across(value) - margin.left, 0))}" height="${round(pitch * 0.6)}" fill="${mark.colour}" fill-opacity="0.35"/>`;
          return `${bar}<text x="${margin.left + 8}" y="${middle + 4}">${escaped(name)}: ${figure(value)}</text>`;
        })
        .join('');
    }
    case 'dots': {
      const dots = mark.points.map(
        ([x, y]) => `<circle cx="${across(x)}" cy="${up(y)}" r="${mark.radius}"/>`,
      );
      return `<g fill="${mark.colour}" fill-opacity="${mark.opacity}">${dots.join('')}</g>`;
    }
    case 'line': {
      if (mark.points.length === 0) return '';
      const path = mark.points.map(([x, y]) => `${across(x)} ${up(y)}`).join('L');
      return `<path d="M${path}" fill="none" stroke="${mark.colour}" stroke-width="${mark.width}" stroke-opacity="${mark.opacity}" stroke-linejoin="round"/>`;
    }
  }
}

/** Both axes with the unit of the wider one, around the same middle. */
function equalised({ x, y, height }: Panel): readonly [Axis, Axis] {
  const unit = Math.max((x.range[1] - x.range[0]) / inner, (y.range[1] - y.range[0]) / height);
  const around = (axis: Axis, pixels: number): Axis => {
    const middle = (axis.range[0] + axis.range[1]) / 2;
    return { ...axis, range: [middle - (unit * pixels) / 2, middle + (unit * pixels) / 2] };
  };
  return [around(x, inner), around(y, height)];
}

/** Where a value lies between the ends of an axis: 0 to 1. */
function share({ range: [low, high], scale }: Axis, value: number): number {
  if (scale === 'linear') return (value - low) / (high - low);
  return (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low));
}

/** Round numbers on an axis: multiples of 1, 2, 5 · 10ᵏ; powers of ten on a log axis, where it spans two or more. */
function ticksOf({ range: [low, high], scale }: Axis): readonly number[] {
  if (scale === 'log') {
    const decades = Math.log10(high / low);
    const stride = Math.max(1, Math.ceil(decades / 7));
    const within = (t: number): boolean => t >= low && t <= high;
    const exponents = Array.from(
      { length: Math.ceil(decades) + 2 },
      (_, k) => Math.floor(Math.log10(low)) + k,
    );
    const heads = decades < 2 ? [1, 2, 5] : [1];
    return exponents
      .filter((e) => e % stride === 0)
      .flatMap((e) => heads.map((head) => Number(`${head}e${e}`)))
      .filter(within);
  }
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((m) => m * power >= raw) ?? 10) * power;
  const first = Math.ceil(low / step);
  const count = Math.max(0, Math.floor(high / step + 1e-9) - first + 1);
  return Array.from({ length: count }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

function figure(value: number): string {
  const size = Math.abs(value);
  return value !== 0 && (size >= 1e5 || size < 1e-3)
    ? value
        .toExponential()
        .replace(/^(-?\d\.\d\d)\d*/u, '$1')
        .replace('e+', 'e')
    : String(Number(value.toPrecision(6)));
}

const round = (value: number): number => Math.round(value * 100) / 100;

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function escaped(text: string): string {
  return text.replace(/[&<>]/gu, (c) => entities[c] as string);
}
