/** Draws the carried surface and what the gradient would still change: node picture.js [OUT] [PICTURE] [FOLDER of the data]. */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { readNpy, readNpz } from '../lib/npy.js';
import { colour, plot } from '../lib/svg.js';

export function picture(out, path, folder = import.meta.dirname) {
  const x = readNpy(join(out, 'final/x.npy'));
  const q = readNpy(join(out, 'final/q.npy'));
  const start = readNpy(join(folder, 'source_vertices.npy'));
  const goal = readNpy(join(folder, 'target_vertices.npy'));
  const { p: gp } = readNpz(join(out, 'gradient.npz'));
  const error = (i) => Math.hypot(...[0, 1, 2].map((c) => x.data[3 * i + c] - goal.data[3 * i + c]));
  const n = x.shape[0];
  const worst = Array.from({ length: n }, (_, i) => error(i)).sort((a, b) => a - b)[Math.floor(0.98 * n)];
  const view = plot({
    title: `A sphere of ${n} vertices carried to a bean by ${q.shape[0]} control points`,
    subtitle: `Left: start. Right: end of the flow, coloured by distance to the goal (0 … ${worst.toFixed(2)}); arrows: −∂L/∂p at the control points.`,
    x: [-1.6, 5.1],
    y: [-1.75, 1.75],
    equal: true,
    xLabel: 'x',
    yLabel: 'z',
    width: 980,
    height: 600,
  });
  const front = (data, i) => data[3 * i + 1] < 0.05; // seen from −y
  const list = [];
  for (let i = 0; i < n; i++) if (front(start.data, i)) list.push([start.data[3 * i], start.data[3 * i + 2]]);
  view.points(list, { radius: 1.3, fill: '#8a94a6' });
  const bands = Array.from({ length: 16 }, () => []);
  for (let i = 0; i < n; i++) {
    if (front(start.data, i))
      bands[Math.min(Math.floor((16 * error(i)) / worst), 15)].push([x.data[3 * i] + 3.3, x.data[3 * i + 2]]);
  }
  for (const [b, points] of bands.entries()) view.points(points, { radius: 1.5, fill: colour(b / 15) });
  const m = q.shape[0];
  const longest = Math.max(
    ...Array.from({ length: m }, (_, j) => Math.hypot(gp.data[3 * j], gp.data[3 * j + 2])),
  );
  for (let j = 0; j < m; j++) {
    if (q.data[3 * j + 1] > 0.05) continue;
    const from = [q.data[3 * j] + 3.3, q.data[3 * j + 2]];
    view.points([from], { radius: 2.2, fill: '#111' });
    view.arrow(from, [
      from[0] - (0.35 * gp.data[3 * j]) / longest,
      from[1] - (0.35 * gp.data[3 * j + 2]) / longest,
    ]);
  }
  view.save(path);
}

if (isCalled(import.meta.filename)) {
  picture(
    process.argv[2] ?? join(import.meta.dirname, 'surface-out'),
    process.argv[3] ?? join(import.meta.dirname, 'picture.svg'),
  );
}
