/** Draws what the job computed: node picture.js [OUT] [PICTURE] (default: out, picture.svg beside this file). */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { readNpy, readNpz } from '../lib/npy.js';
import { colour, plot } from '../lib/svg.js';

export function picture(out, path) {
  const { shape, data } = readNpy(join(out, 'trajectory/x.npy'));
  const [times, rows, dim] = shape;
  const at = (t, i, c) => data[(t * rows + i) * dim + c];
  const gradient = readNpz(join(out, 'gradient.npz'));
  const { q: gq } = gradient;
  const sources = readNpy(join(out, 'trajectory/q.npy'));
  const m = sources.shape[1];
  const view = plot({
    title: 'Issue 301: 1000 tracers carried by 100 control points',
    subtitle:
      'Lines: every tracer from t = 0 to 1 (x, y of 3). Arrows: −∂L/∂q₀, where each control point wants to start.',
    x: [-1.15, 1.15],
    y: [-1.15, 1.15],
    equal: true,
    xLabel: 'x',
    yLabel: 'y',
  });
  for (let i = 0; i < rows; i++) {
    const path = Array.from({ length: times }, (_, t) => [at(t, i, 0), at(t, i, 1)]);
    view.line(path, { stroke: colour((at(0, i, 2) + 1) / 2), width: 0.8, opacity: 0.55 });
  }
  view.points(
    Array.from({ length: rows }, (_, i) => [at(times - 1, i, 0), at(times - 1, i, 1)]),
    { radius: 1.1, fill: '#555', opacity: 0.7 },
  );
  const norm = Math.max(
    ...Array.from({ length: m }, (_, j) => Math.hypot(gq.data[3 * j], gq.data[3 * j + 1])),
  );
  for (let j = 0; j < m; j++) {
    const from = [sources.data[3 * j], sources.data[3 * j + 1]];
    view.points([from], { radius: 2.6, fill: '#b3261e' });
    view.arrow(
      from,
      [0, 1].map((c) => from[c] - (0.22 * gq.data[3 * j + c]) / norm),
      { stroke: '#b3261e' },
    );
  }
  view.save(path);
}

if (isCalled(import.meta.filename)) {
  picture(
    process.argv[2] ?? join(import.meta.dirname, 'issue-301-out'),
    process.argv[3] ?? join(import.meta.dirname, 'picture.svg'),
  );
}
