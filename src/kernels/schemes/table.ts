/** The integration schemes by name. */
export type SchemeName = 'dopri5' | 'euler' | 'heun' | 'leapfrog' | 'ralston' | 'rk4';
