/**
 * Makes the surface: node make.js [FOLDER]. A sphere of 10 242 vertices on a spiral, a bean as target, 162 control points
 * on the sphere, and first momenta that solve K p = v for the displacement v of the control points (so the flow
 * goes most of the way and the gradient says what is left).
 */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { writeNpy } from '../lib/npy.js';

const sigma = 0.6; // of job.yaml

/** Points spread over the unit sphere on a golden spiral. */
function sphere(count) {
  const golden = Math.PI * (3 - Math.sqrt(5));
  return Array.from({ length: count }, (_, i) => {
    const z = 1 - (2 * i + 1) / count;
    const r = Math.sqrt(1 - z * z);
    return [r * Math.cos(golden * i), r * Math.sin(golden * i), z];
  });
}

/** Where a point of the sphere belongs on the bean: stretched along z, bent towards +x, pinched at the waist. */
function bean([x, y, z]) {
  const waist = 0.75 + 0.3 * z * z;
  return [x * waist + 0.55 * z * z - 0.2, y * waist, 1.35 * z];
}

/** Solve A X = B for symmetric positive definite A by Cholesky. */
function solve(A, B) {
  const n = A.length;
  const L = A.map((row) => [...row]);
  for (let j = 0; j < n; j++) {
    for (let k = 0; k < j; k++) for (let i = j; i < n; i++) L[i][j] -= L[i][k] * L[j][k];
    const d = Math.sqrt(L[j][j]);
    for (let i = j; i < n; i++) L[i][j] /= d;
  }
  const X = B.map((row) => [...row]);
  for (let c = 0; c < X[0].length; c++) {
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < i; k++) X[i][c] -= L[i][k] * X[k][c];
      X[i][c] /= L[i][i];
    }
    for (let i = n - 1; i >= 0; i--) {
      for (let k = i + 1; k < n; k++) X[i][c] -= L[k][i] * X[k][c];
      X[i][c] /= L[i][i];
    }
  }
  return X;
}

export function make(folder) {
  const x = sphere(10_242);
  const q = sphere(162);
  const kernel = q.map((a, i) =>
    q.map(
      (b, j) => Math.exp(-a.reduce((s, v, c) => s + (v - b[c]) ** 2, 0) / sigma ** 2) + (i === j ? 1e-2 : 0),
    ),
  );
  const p = solve(
    kernel,
    q.map((a) => bean(a).map((v, c) => v - a[c])),
  );
  const save = (name, rows) =>
    writeNpy(join(folder, `${name}.npy`), Float32Array.from(rows.flat()), [rows.length, 3]);
  save('source_vertices', x);
  save('target_vertices', x.map(bean));
  save('control_points', q);
  save('momenta', p);
}

if (isCalled(import.meta.filename)) make(process.argv[2] ?? import.meta.dirname);
