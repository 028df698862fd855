/** Draws the circle before and after, on its grid: node picture.js [OUT] [PICTURE] [FOLDER of the data]. */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { readNpy, readNpz } from '../lib/npy.js';
import { plot } from '../lib/svg.js';

export function picture(out, path, folder = import.meta.dirname) {
  const before = rowsOf(readNpy(join(folder, 'points.npy')));
  const after = rowsOf(readNpy(join(out, 'final/x.npy')));
  const target = rowsOf(readNpy(join(folder, 'target.npy')));
  const control = rowsOf(readNpy(join(folder, 'control_points.npy')));
  const onCurve = readNpy(join(folder, 'on_curve.npy')).data;
  const momenta = rowsOf(readNpz(join(out, 'optimum.npz')).p);
  const view = plot({
    title: 'A circle fitted to a clover, without correspondences',
    subtitle:
      'Grey: the target’s points. Blue: the circle, and the grid it is drawn on, before (left) and at the optimum (right). Arrows: the fitted momenta at the control points.',
    x: [-1.6, 4.8],
    y: [-1.6, 1.6],
    equal: true,
    width: 1000,
    height: 600,
  });
  for (const [points, shift] of [
    [before, 0],
    [after, 3.2],
  ]) {
    const at = (rows) => rows.map(([a, b]) => [a + shift, b]);
    view.points(at(points.filter((_, n) => onCurve[n] === 0)), { radius: 0.5, fill: '#9fb3d9' });
    view.points(at(target), { radius: 2.4, fill: '#8a8a8a', opacity: 0.55 });
    view.points(at(points.filter((_, n) => onCurve[n] === 1)), { radius: 1.3, fill: '#303e97' });
  }
  const longest = Math.max(...momenta.map(([a, b]) => Math.hypot(a, b)));
  for (const [j, [a, b]] of control.entries()) {
    const [u, v] = momenta[j].map((c) => (0.4 * c) / longest);
    view.arrow([a, b], [a + u, b + v], { stroke: '#ca382b', width: 1.2 });
  }
  view.save(path);
}

const rowsOf = ({ data, shape }) =>
  Array.from({ length: shape[0] }, (_, n) => [data[2 * n], data[2 * n + 1]]);

if (isCalled(import.meta.filename)) {
  picture(
    process.argv[2] ?? join(import.meta.dirname, 'fit-out'),
    process.argv[3] ?? join(import.meta.dirname, 'picture.svg'),
    process.argv[4] ?? import.meta.dirname,
  );
}
