/** Makes points.npy (30 000 points around a ring and three clusters) and means.npy (a 7 × 7 grid): node make.js [FOLDER]. */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { writeNpy } from '../lib/npy.js';
import { random } from '../lib/random.js';

export function make(folder) {
  const { uniform, normal } = random(5);
  const count = 30_000;
  const x = new Float32Array(2 * count);
  const clusters = [
    [0, 0.1, 0.18],
    [1.9, 1.4, 0.22],
    [-1.8, -1.5, 0.3],
  ];
  for (let i = 0; i < count; i++) {
    const pick = uniform();
    if (pick < 0.55) {
      const angle = 2 * Math.PI * uniform();
      const radius = 1.25 + 0.09 * normal();
      x.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i);
    } else {
      const [cx, cy, s] = clusters[pick < 0.75 ? 0 : pick < 0.88 ? 1 : 2];
      x.set([cx + s * normal(), cy + s * normal()], 2 * i);
    }
  }
  const means = Float32Array.from(
    { length: 98 },
    (_, k) => (k % 2 === 0 ? Math.floor(k / 14) - 3 : (Math.floor(k / 2) % 7) - 3) * 0.8,
  );
  writeNpy(join(folder, 'points.npy'), x, [count, 2]);
  writeNpy(join(folder, 'means.npy'), means, [49, 2]);
}

if (isCalled(import.meta.filename)) make(process.argv[2] ?? import.meta.dirname);
