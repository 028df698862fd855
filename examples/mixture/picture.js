/** Draws the points, the components and where each wants to go: node picture.js [OUT] [PICTURE] [FOLDER of the data]. */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { readNpy, readNpz } from '../lib/npy.js';
import { colour, plot } from '../lib/svg.js';

export function picture(out, path, folder = import.meta.dirname) {
  const x = readNpy(join(folder, 'points.npy'));
  const mu = readNpy(join(folder, 'means.npy'));
  const { mu: gmu, logw: gw } = readNpz(join(out, 'gradient.npz'));
  const near = readNpy(join(out, 'values/nearest.npy'));
  const view = plot({
    title: `A mixture of ${mu.shape[0]} Gaussians on ${x.shape[0]} points`,
    subtitle:
      'Colour: the direction of each point’s softmax-weighted component. Arrows: −∂L/∂µ. Discs: components that want more weight.',
    x: [-2.9, 2.9],
    y: [-2.6, 2.6],
    equal: true,
    xLabel: 'x',
    yLabel: 'y',
  });
  const bands = Array.from({ length: 18 }, () => []);
  for (let i = 0; i < x.shape[0]; i += 3) {
    const angle = Math.atan2(near.data[2 * i + 1], near.data[2 * i]) / (2 * Math.PI) + 0.5;
    bands[Math.min(Math.floor(angle * 18), 17)].push([x.data[2 * i], x.data[2 * i + 1]]);
  }
  for (const [b, list] of bands.entries())
    view.points(list, { radius: 1, fill: colour(b / 17), opacity: 0.45 });
  const m = mu.shape[0];
  const longest = Math.max(
    ...Array.from({ length: m }, (_, j) => Math.hypot(gmu.data[2 * j], gmu.data[2 * j + 1])),
  );
  const heaviest = Math.max(...gw.data.map((g) => -g));
  for (let j = 0; j < m; j++) {
    const from = [mu.data[2 * j], mu.data[2 * j + 1]];
    view.points([from], {
      radius: gw.data[j] < 0 ? 2 + (9 * -gw.data[j]) / heaviest : 2,
      fill: '#111',
      opacity: 0.75,
    });
    view.arrow(
      from,
      [0, 1].map((c) => from[c] - (0.7 * gmu.data[2 * j + c]) / longest),
    );
  }
  view.save(path);
}

if (isCalled(import.meta.filename)) {
  picture(
    process.argv[2] ?? join(import.meta.dirname, 'mixture-out'),
    process.argv[3] ?? join(import.meta.dirname, 'picture.svg'),
  );
}
