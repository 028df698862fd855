/** A picture in plain SVG: one plot area with equal or free scales, points, lines, arrows, and a caption. */
import { writeFileSync } from 'node:fs';

const round = (v) => Math.round(v * 100) / 100;
const escaped = (s) => s.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/** Colour of a value in [0, 1]: blue, teal, yellow, red, by straight lines between five anchors (a darkened "turbo"). */
export function colour(value) {
  const anchors = [
    [48, 62, 151],
    [38, 139, 178],
    [74, 168, 108],
    [229, 178, 48],
    [202, 56, 43],
  ];
  const at = Math.min(Math.max(value, 0), 1) * (anchors.length - 1);
  const k = Math.min(Math.floor(at), anchors.length - 2);
  const mix = anchors[k].map((c, i) => Math.round(c + (at - k) * (anchors[k + 1][i] - c)));
  return `rgb(${mix.join(',')})`;
}

/** Text in lines of at most so many characters. */
function lines(text, charactersMax) {
  const out = [''];
  for (const word of text.split(' ')) {
    const last = out.at(-1);
    if (last !== '' && last.length + 1 + word.length > charactersMax) out.push(word);
    else out[out.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return out;
}

/** Nice tick positions covering [low, high]. */
function ticks(low, high, count = 5) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((m) => m * power >= raw) * power;
  const out = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * step; k++)
    out.push(Number((k * step).toPrecision(12)));
  return out;
}

/**
 * @param options title, subtitle, x: [low, high], y: [low, high], xLabel, yLabel, equal (same scale on both axes), width, height
 * @returns a plot with points, line, arrow, text, bars and save(path)
 */
export function plot({
  title,
  subtitle = '',
  x,
  y,
  xLabel = '',
  yLabel = '',
  equal = false,
  width = 720,
  height = 620,
}) {
  const box = { left: 70, right: 24, top: 82, bottom: 56 };
  let [x0, x1, y0, y1] = [...x, ...y];
  const w = width - box.left - box.right;
  const h = height - box.top - box.bottom;
  if (equal) {
    const unit = Math.max((x1 - x0) / w, (y1 - y0) / h);
    const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
    [x0, x1, y0, y1] = [cx - (unit * w) / 2, cx + (unit * w) / 2, cy - (unit * h) / 2, cy + (unit * h) / 2];
  }
  const px = (v) => round(box.left + ((v - x0) / (x1 - x0)) * w);
  const py = (v) => round(box.top + h - ((v - y0) / (y1 - y0)) * h);
  const body = [];
  const label = (v) =>
    Math.abs(v) >= 1e4 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(0) : String(v);
  for (const t of ticks(x0, x1)) {
    body.push(
      `<path d="M${px(t)} ${box.top}V${box.top + h}" class="grid"/><text x="${px(t)}" y="${box.top + h + 18}" text-anchor="middle">${label(t)}</text>`,
    );
  }
  for (const t of ticks(y0, y1)) {
    body.push(
      `<path d="M${box.left} ${py(t)}H${box.left + w}" class="grid"/><text x="${box.left - 8}" y="${py(t) + 4}" text-anchor="end">${label(t)}</text>`,
    );
  }
  const marks = [];
  return {
    points(list, { radius = 1.4, fill = '#333', opacity = 1 } = {}) {
      marks.push(
        `<g fill="${fill}" fill-opacity="${opacity}">${list.map(([a, b]) => `<circle cx="${px(a)}" cy="${py(b)}" r="${radius}"/>`).join('')}</g>`,
      );
    },
    line(list, { stroke = '#333', width: strokeWidth = 1, opacity = 1, closed = false } = {}) {
      marks.push(
        `<path d="M${list.map(([a, b]) => `${px(a)} ${py(b)}`).join('L')}${closed ? 'Z' : ''}" fill="none" stroke="${stroke}" stroke-width="${strokeWidth}" stroke-opacity="${opacity}" stroke-linejoin="round"/>`,
      );
    },
    arrow([a, b], [c, d], { stroke = '#111', width: strokeWidth = 1.4 } = {}) {
      const [ax, ay, bx, by] = [px(a), py(b), px(c), py(d)];
      const length = Math.hypot(bx - ax, by - ay);
      if (length < 1) return;
      const [ux, uy] = [(bx - ax) / length, (by - ay) / length];
      const head = Math.min(7, length * 0.6);
      const tip = (s) =>
        `${round(bx - head * ux + s * head * 0.45 * uy)} ${round(by - head * uy - s * head * 0.45 * ux)}`;
      marks.push(
        `<path d="M${ax} ${ay}L${bx} ${by}M${tip(1)}L${bx} ${by}L${tip(-1)}" fill="none" stroke="${stroke}" stroke-width="${strokeWidth}"/>`,
      );
    },
    bar(a, b0, b1, { halfWidth, fill = '#333' }) {
      const top = Math.min(py(b0), py(b1));
      marks.push(
        `<rect x="${px(a - halfWidth)}" y="${top}" width="${round(px(a + halfWidth) - px(a - halfWidth))}" height="${round(Math.abs(py(b0) - py(b1)))}" fill="${fill}"/>`,
      );
    },
    text([a, b], string, { anchor = 'start', fill = '#222', dx = 0, dy = 0 } = {}) {
      marks.push(
        `<text x="${px(a) + dx}" y="${py(b) + dy}" text-anchor="${anchor}" fill="${fill}">${escaped(string)}</text>`,
      );
    },
    save(path) {
      writeFileSync(
        path,
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12">
<title>${escaped(title)}</title>
<style>.grid{stroke:#e4e4e4;fill:none}text{fill:#444}</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${box.left}" y="32" font-size="18" font-weight="600">${escaped(title)}</text>
${lines(subtitle, (w + box.right) / 6.4)
  .map((line, n) => `<text x="${box.left}" y="${50 + 16 * n}" font-size="12">${escaped(line)}</text>`)
  .join('\n')}
${body.join('\n')}
<svg x="${box.left}" y="${box.top}" width="${w}" height="${h}" viewBox="${box.left} ${box.top} ${w} ${h}">
${marks.join('\n')}
</svg>
<rect x="${box.left}" y="${box.top}" width="${w}" height="${h}" fill="none" stroke="#999"/>
<text x="${box.left + w / 2}" y="${height - 14}" text-anchor="middle">${escaped(xLabel)}</text>
<text transform="translate(18 ${box.top + h / 2}) rotate(-90)" text-anchor="middle">${escaped(yLabel)}</text>
</svg>
`,
      );
    },
  };
}
