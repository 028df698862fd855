/** The leapfrog in its drift–kick–drift form. */
import type { Leapfrog } from './scheme.ts';

export const leapfrog: Leapfrog = {
  kind: 'leapfrog',
  name: 'leapfrog',
  order: 2,
  citation:
    'Hairer, Lubich & Wanner, Geometric numerical integration illustrated by the Störmer–Verlet method, Acta Numerica 12 (2003) 399–450, (1.8)',
};
