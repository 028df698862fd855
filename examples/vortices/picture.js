/** Draws the stirred dye: node picture.js [OUT] [PICTURE]. */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { readNpy, readNpz } from '../lib/npy.js';
import { colour, plot } from '../lib/svg.js';

export function picture(out, path) {
  const { shape, data } = readNpy(join(out, 'trajectory/x.npy'));
  const [times, rows] = shape;
  const sources = readNpy(join(out, 'trajectory/y.npy'));
  const m = sources.shape[1];
  const { y: gy, gamma: gg } = readNpz(join(out, 'gradient.npz'));
  const view = plot({
    title: `${rows} specks of dye stirred by ${m} point vortices`,
    subtitle:
      'Colour: the height each speck started at. Arrows: where to move a vortex to stir more (∂L/∂y). Rings: |∂L/∂γ|.',
    x: [-1.6, 1.6],
    y: [-1.95, 1.5],
    equal: true,
    xLabel: 'x',
    yLabel: 'y',
  });
  const bands = 24;
  for (let b = 0; b < bands; b++) {
    const list = [];
    for (let i = 0; i < rows; i++) {
      const height = (data[2 * i + 1] + 1) / 2;
      if (Math.min(Math.floor(height * bands), bands - 1) !== b) continue;
      const at = 2 * ((times - 1) * rows + i);
      list.push([data[at], data[at + 1]]);
    }
    view.points(list, { radius: 1.25, fill: colour((b + 0.5) / bands), opacity: 0.9 });
  }
  const longest = Math.max(
    ...Array.from({ length: m }, (_, j) => Math.hypot(gy.data[2 * j], gy.data[2 * j + 1])),
  );
  const strongest = Math.max(...gg.data.map(Math.abs));
  for (let j = 0; j < m; j++) {
    const from = [sources.data[2 * j], sources.data[2 * j + 1]];
    const ring = 0.015 + (0.07 * Math.abs(gg.data[j])) / strongest;
    const circle = Array.from({ length: 32 }, (_, k) =>
      [0, 0.5].map((s, c) => from[c] + ring * Math.cos((2 * Math.PI * k) / 32 - Math.PI * s)),
    );
    view.line(circle, { stroke: '#111', width: 1.2, closed: true });
    view.arrow(
      from,
      [0, 1].map((c) => from[c] + (0.3 * gy.data[2 * j + c]) / longest),
      { stroke: '#111' },
    );
  }
  view.save(path);
}

if (isCalled(import.meta.filename)) {
  picture(
    process.argv[2] ?? join(import.meta.dirname, 'vortices-out'),
    process.argv[3] ?? join(import.meta.dirname, 'picture.svg'),
  );
}
