/** Makes the circle on its grid, the clover and the control points: node make.js [FOLDER]. */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { writeNpy } from '../lib/npy.js';
import { random } from '../lib/random.js';

/** Points of the circle; the loss divides by it. */
const onCircle = 1000;

export function make(folder) {
  const { normal } = random(11);
  const circle = Array.from({ length: onCircle }, (_, n) => {
    const angle = (2 * Math.PI * n) / onCircle;
    return [Math.cos(angle), Math.sin(angle)];
  });
  const lines = [];
  for (let line = -7; line <= 7; line++) {
    for (let n = -70; n <= 70; n++) lines.push([line / 5, n / 50], [n / 50, line / 5]);
  }
  const points = [...circle, ...lines];
  const target = Array.from({ length: 700 }, (_, n) => {
    const angle = (2 * Math.PI * n) / 700;
    const radius = 0.95 + 0.22 * Math.cos(3 * angle + 0.5) + 0.006 * normal();
    return [0.1 + radius * Math.cos(angle), -0.05 + radius * Math.sin(angle)];
  });
  const control = Array.from({ length: 81 }, (_, n) => [
    (Math.floor(n / 9) - 4) * 0.36,
    ((n % 9) - 4) * 0.36,
  ]);
  const save = (name, rows) => writeNpy(join(folder, name), Float32Array.from(rows.flat()), [rows.length, 2]);
  save('points.npy', points);
  save('target.npy', target);
  save('control_points.npy', control);
  const weights = Float32Array.from(points, (_, n) => (n < onCircle ? 1 : 0));
  writeNpy(join(folder, 'on_curve.npy'), weights, [points.length]);
}

if (isCalled(import.meta.filename)) make(process.argv[2] ?? import.meta.dirname);
