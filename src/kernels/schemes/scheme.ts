/**
 * What an integration scheme is: one record holds its coefficients, its order and where they come from.
 */

export type Scheme = Leapfrog | RungeKutta;

/**
 * An explicit Runge–Kutta method.
 *
 *   Z_s = z_k + h Σ_{r<s} a_sr K_r,   K_s = flow(Z_s, t_k + c_s h),   z_{k+1} = z_k + h Σ_s b_s K_s
 */
export interface RungeKutta {
  readonly kind: 'runge-kutta';
  readonly name: string;
  readonly order: number;
  /** Row s has s entries: a_s1 … a_s,s−1. */
  readonly a: readonly (readonly number[])[];
  readonly b: readonly number[];
  readonly c: readonly number[];
  /** How the error of a step is estimated; null for a scheme that runs with fixed steps only. */
  readonly embedded: Embedded | null;
  readonly citation: string;
}

/**
 * The difference of the solution and an embedded one: error = h Σ_s weights_s K_s, where the last K is the flow at
 * (t_{k+1}, z_{k+1}), one more than `b` has stages.
 */
export interface Embedded {
  readonly weights: readonly number[];
  /** Order of the embedded solution. */
  readonly order: number;
}

/**
 * Drift–kick–drift, for positions q and velocities v with accelerations that read no velocity:
 *
 *   q½ = q + h/2 v,   v' = v + h A(q½, t + h/2),   q' = q½ + h/2 v'
 */
export interface Leapfrog {
  readonly kind: 'leapfrog';
  readonly name: string;
  readonly order: number;
  readonly citation: string;
}
