/**
 * Makes planets.npz and belt.npz: node make.js [FOLDER] [COUNT].
 *
 * Planets: Keplerian elements at J2000 and GM ratios. E. M. Standish & J. G. Williams, "Keplerian elements for approximate
 * positions of the major planets", JPL, table 1; Sun/planet mass ratios: IAU 2009 system of astronomical constants.
 * Asteroids: uniform in semi-major axis 2.0–3.4 au, Rayleigh-distributed eccentricity (mode 0.1) and inclination (mode 6°), random angles.
 */
import { join } from 'node:path';
import { isCalled } from '../lib/called.js';
import { writeNpz } from '../lib/npy.js';
import { random } from '../lib/random.js';

const gaussian = 0.01720209895 ** 2; // au³/day², GM of the Sun
const degree = Math.PI / 180;

//               a au         e           I °         L °           ϖ °          Ω °          Sun/planet mass
const planets = [
  ['Mercury', 0.38709927, 0.20563593, 7.00497902, 252.2503235, 77.45779628, 48.33076593, 6023600],
  ['Venus', 0.72333566, 0.00677672, 3.39467605, 181.9790995, 131.60246718, 76.67984255, 408523.71],
  ['Earth-Moon', 1.00000261, 0.01671123, -0.00001531, 100.46457166, 102.93768193, 0, 328900.5596],
  ['Mars', 1.52371034, 0.0933941, 1.84969142, -4.55343205, -23.94362959, 49.55953891, 3098703.59],
  ['Jupiter', 5.202887, 0.04838624, 1.30439695, 34.39644051, 14.72847983, 100.47390909, 1047.348644],
  ['Saturn', 9.53667594, 0.05386179, 2.48599187, 49.95424423, 92.59887831, 113.66242448, 3497.9018],
  ['Uranus', 19.18916464, 0.04725744, 0.77263783, 313.23810451, 170.9542763, 74.01692503, 22902.98],
  ['Neptune', 30.06992276, 0.00859048, 1.77004347, -55.12002969, 44.96476227, 131.78422574, 19412.26],
];

/** Names of the bodies, the Sun first: rows of r, v and m. */
export const bodies = ['Sun', ...planets.map(([name]) => name)];

/** Position (au) and velocity (au/day) about a mass with that GM, from Keplerian elements (angles in radians). */
function state(gm, a, e, inclination, node, periapsis, meanAnomaly) {
  let E = meanAnomaly;
  for (let k = 0; k < 20; k++) E -= (E - e * Math.sin(E) - meanAnomaly) / (1 - e * Math.cos(E)); // Newton on Kepler's equation
  const n = Math.sqrt(gm / a ** 3);
  const b = a * Math.sqrt(1 - e * e);
  const rate = n / (1 - e * Math.cos(E));
  const plane = [
    [a * (Math.cos(E) - e), b * Math.sin(E)],
    [-a * rate * Math.sin(E), b * rate * Math.cos(E)],
  ];
  const [co, so, cn, sn, ci, si] = [periapsis, node, inclination].flatMap((t) => [Math.cos(t), Math.sin(t)]);
  return plane.map(([p, q]) => [
    (co * cn - so * sn * ci) * p + (-so * cn - co * sn * ci) * q,
    (co * sn + so * cn * ci) * p + (-so * sn + co * cn * ci) * q,
    so * si * p + co * si * q,
  ]);
}

export function make(folder, count = 100_000) {
  const rows = bodies.length;
  const [r, v, m] = [new Float64Array(3 * rows), new Float64Array(3 * rows), new Float64Array(rows)];
  m[0] = 1;
  planets.forEach(([, a, e, i, L, peri, node, ratio], k) => {
    m[k + 1] = 1 / ratio;
    const [position, velocity] = state(
      gaussian * (1 + m[k + 1]),
      a,
      e,
      i * degree,
      node * degree,
      (peri - node) * degree,
      ((L - peri) % 360) * degree,
    );
    r.set(position, 3 * (k + 1));
    v.set(velocity, 3 * (k + 1));
  });
  const sunPosition = [0, 1, 2].map((c) => r[c]);
  // Barycentric: the total momentum and the centre of mass are zero.
  const mass = m.reduce((s, x) => s + x, 0);
  const centre = [r, v].map((a) =>
    [0, 1, 2].map((c) => m.reduce((s, w, j) => s + w * a[3 * j + c], 0) / mass),
  );
  for (let j = 0; j < rows; j++)
    for (let c = 0; c < 3; c++) {
      r[3 * j + c] -= centre[0][c];
      v[3 * j + c] -= centre[1][c];
    }
  const { uniform } = random(2026);
  const rayleigh = (mode) => mode * Math.sqrt(-2 * Math.log(1 - uniform()));
  const [x, u, a] = [new Float64Array(3 * count), new Float64Array(3 * count), new Float64Array(count)];
  for (let i = 0; i < count; i++) {
    const angle = () => 2 * Math.PI * uniform();
    a[i] = 2 + 1.4 * uniform();
    const [position, velocity] = state(
      gaussian,
      a[i],
      Math.min(rayleigh(0.1), 0.35),
      rayleigh(6 * degree),
      angle(),
      angle(),
      angle(),
    );
    for (let c = 0; c < 3; c++) {
      x[3 * i + c] = position[c] + r[c] - sunPosition[c];
      u[3 * i + c] = velocity[c] + v[c];
    }
  }
  writeNpz(join(folder, 'planets.npz'), {
    r: { data: r, shape: [rows, 3] },
    v: { data: v, shape: [rows, 3] },
    m: { data: m, shape: [rows] },
  });
  writeNpz(join(folder, 'belt.npz'), {
    x: { data: x, shape: [count, 3] },
    u: { data: u, shape: [count, 3] },
    a: { data: a, shape: [count] },
  });
}

if (isCalled(import.meta.filename))
  make(process.argv[2] ?? import.meta.dirname, Number(process.argv[3] ?? 100_000));
