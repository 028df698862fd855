/** Draws the spread of the belt and who causes it: node picture.js [OUT] [PICTURE]. */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { readNpy, readNpz } from '../lib/npy.js';
import { colour, plot } from '../lib/svg.js';
import { bodies } from './make.js';

/** |∂L/∂m_j| · m_j: the loss per relative change of a body's mass, au². */
function influence(out) {
  const { m: gradient } = readNpz(join(out, 'gradient.npz'));
  const { m } = readNpz(join(import.meta.dirname, 'planets.npz'));
  return bodies.map((name, j) => ({ name, value: gradient.data[j] * m.data[j] }));
}

export function picture(out, path) {
  const end = readNpy(join(out, 'values/axis.npy')).data;
  const start = readNpz(join(import.meta.dirname, 'belt.npz')).a.data;
  const rows = start.length;
  const ranking = influence(out)
    .filter((b) => b.name !== 'Sun')
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value))
    .slice(0, 4);
  const view = plot({
    title: `${rows} asteroids, 50 years: who spreads the belt`,
    subtitle: `m·∂L/∂m (au² per relative change of mass): ${ranking.map((b) => `${b.name} ${b.value.toExponential(1)}`).join(', ')}`,
    x: [1.95, 3.5],
    y: [-0.12, 0.12],
    xLabel: 'semi-major axis at the start, au',
    yLabel: 'its change after 50 years, au',
    width: 900,
  });
  const stride = Math.max(1, Math.floor(rows / 20_000));
  const bands = Array.from({ length: 10 }, () => []);
  for (let i = 0; i < rows; i += stride) {
    const [a, b] = [start[i], end[i]];
    bands[Math.min(Math.floor(Math.abs(b - a) * 200), 9)].push([a, b - a]);
  }
  for (const [b, list] of bands.entries())
    view.points(list, { radius: 0.9, fill: colour(b / 9), opacity: 0.6 });
  for (const [p, q] of [
    [3, 1],
    [5, 2],
    [7, 3],
    [2, 1],
  ]) {
    const a = 5.2044 * (q / p) ** (2 / 3); // Kirkwood: p periods of the asteroid in q of Jupiter
    view.line(
      [
        [a, -0.12],
        [a, 0.12],
      ],
      { stroke: '#888', width: 0.8 },
    );
    view.text([a, 0.112], `${p}:${q}`, { dx: 4 });
  }
  view.save(path);
}

if (isCalled(import.meta.filename)) {
  picture(
    process.argv[2] ?? join(import.meta.dirname, 'asteroid-belt-out'),
    process.argv[3] ?? join(import.meta.dirname, 'picture.svg'),
  );
}
