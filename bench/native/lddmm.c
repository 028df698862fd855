/*
 * The native peer of the Gaussian flow: what a careful C programmer writes by hand for this one formula.
 *
 *   q' = Σ_k K(q,q_k) p_k,  p' = (2/σ²) Σ_k (p·p_k) K(q,q_k) (q − q_k),  x' = Σ_j K(x,q_j) p_j,  K(a,b) = exp(−|a−b|²/σ²)
 *   Euler, T steps of size 1/T;  L = Σ_{k=0..T} mean_i |x_i(t_k) − g_i|²;  dL/dq0, dL/dp0
 *
 * Fused: one pass over the pairs forward, one backward for λ and Γ together; the time loop outside a block of tracers,
 * so that a block's states stay in cache; the sources' sweep forward and backward included.
 *
 *   gcc -O3 -march=native -ffast-math -fopenmp lddmm.c -lm        ./a.out MODE N M T REPEATS
 *   MODE: sum (one Gaussian sum, no time), forward, gradient, sources
 *
 * Prints JSON: { "seconds": median, "loss": …, "check": Σ|gradient| }.
 */
#include "lanes.h"
#include <omp.h>

#define V 2 /* vectors of tracers a pass */
#define ROWS (V * LANES)

static int N, M, T;
static float h, inv_s2, scale; /* scale = −log2(e)/σ² */
static float *qp;              /* (T+1) × M × 6: q, p of every step */
static float *x0, *goal;       /* planes: 3 × NP */
static int NP;

typedef struct { vf a[3][V]; } rows3;

/* --- sources, forward: planes of own rows against broadcast partners ------------------------------------ */
static void sources_forward(void) {
  int mp = (M + LANES - 1) / LANES * LANES;
  float *own = aligned_alloc(64, sizeof(float) * 6 * mp);
  for (int k = 0; k < T; k++) {
    const float *now = qp + (size_t)k * M * 6;
    float *next = qp + (size_t)(k + 1) * M * 6;
    for (int j = 0; j < mp; j++)
      for (int c = 0; c < 6; c++) own[c * mp + j] = now[(j < M ? j : M - 1) * 6 + c];
    for (int j = 0; j < mp; j += LANES) {
      vf q[3], p[3], dq[3] = {0}, dp[3] = {0};
      for (int c = 0; c < 3; c++) q[c] = *(vf *)(own + c * mp + j), p[c] = *(vf *)(own + (c + 3) * mp + j);
      for (int l = 0; l < M; l++) {
        const float *b = now + l * 6;
        vf d0 = q[0] - b[0], d1 = q[1] - b[1], d2 = q[2] - b[2];
        vf K = exp2v((d0 * d0 + d1 * d1 + d2 * d2) * scale);
        vf w = (p[0] * b[3] + p[1] * b[4] + p[2] * b[5]) * K;
        dq[0] += K * b[3], dq[1] += K * b[4], dq[2] += K * b[5];
        dp[0] += w * d0, dp[1] += w * d1, dp[2] += w * d2;
      }
      for (int c = 0; c < 3; c++) {
        vf a = q[c] + h * dq[c], m = p[c] + (h * 2 * inv_s2) * dp[c];
        for (int e = 0; e < LANES && j + e < M; e++) next[(j + e) * 6 + c] = a[e], next[(j + e) * 6 + 3 + c] = m[e];
      }
    }
  }
  free(own);
}

/* --- sources, backward: µ from Γ (T+1 slots of M × 6) ----------------------------------------------------- */
static void sources_backward(const float *gamma, float *mu) {
  int mp = (M + LANES - 1) / LANES * LANES;
  float *own = aligned_alloc(64, sizeof(float) * 12 * mp);
  vf *scatter = aligned_alloc(64, sizeof(vf) * 6 * M);
  memcpy(mu, gamma + (size_t)T * M * 6, sizeof(float) * M * 6);
  float c2 = 2 * inv_s2;
  for (int k = T - 1; k >= 0; k--) {
    const float *now = qp + (size_t)k * M * 6;
    for (int j = 0; j < mp; j++)
      for (int c = 0; c < 6; c++) {
        own[c * mp + j] = now[(j < M ? j : M - 1) * 6 + c];
        own[(6 + c) * mp + j] = j < M ? h * mu[j * 6 + c] : 0;
      }
    memset(scatter, 0, sizeof(vf) * 6 * M);
    for (int j = 0; j < mp; j += LANES) {
      vf q[3], p[3], a[3], b[3], zq[3] = {0}, zp[3] = {0};
      for (int c = 0; c < 3; c++) {
        q[c] = *(vf *)(own + c * mp + j), p[c] = *(vf *)(own + (3 + c) * mp + j);
        a[c] = *(vf *)(own + (6 + c) * mp + j), b[c] = c2 * *(vf *)(own + (9 + c) * mp + j);
      }
      for (int l = 0; l < M; l++) {
        const float *y = now + l * 6;
        vf d0 = q[0] - y[0], d1 = q[1] - y[1], d2 = q[2] - y[2];
        vf K = exp2v((d0 * d0 + d1 * d1 + d2 * d2) * scale);
        vf pp = p[0] * y[3] + p[1] * y[4] + p[2] * y[5];
        vf bd = b[0] * d0 + b[1] * d1 + b[2] * d2;
        vf ap = a[0] * y[3] + a[1] * y[4] + a[2] * y[5];
        vf s = K * bd, w = K * pp;
        vf dK = -2 * inv_s2 * K * (ap + pp * bd);
        vf g0 = w * b[0] + dK * d0, g1 = w * b[1] + dK * d1, g2 = w * b[2] + dK * d2;
        zq[0] += g0, zq[1] += g1, zq[2] += g2;
        zp[0] += s * y[3], zp[1] += s * y[4], zp[2] += s * y[5];
        vf *t = scatter + l * 6;
        t[0] -= g0, t[1] -= g1, t[2] -= g2;
        t[3] += K * a[0] + s * p[0], t[4] += K * a[1] + s * p[1], t[5] += K * a[2] + s * p[2];
      }
      for (int c = 0; c < 3; c++)
        for (int e = 0; e < LANES && j + e < M; e++) mu[(j + e) * 6 + c] += zq[c][e], mu[(j + e) * 6 + 3 + c] += zp[c][e];
    }
    const float *g = gamma + (size_t)k * M * 6;
    for (int i = 0; i < M * 6; i++) mu[i] += across(scatter[i]) + g[i];
  }
  free(own);
  free(scatter);
}

/* --- tracers: ROWS of them through all of time and back ----------------------------------------------------- */
static inline void velocity(const rows3 *x, const float *y, rows3 *out) {
  vf s[3][V] = {0};
  for (int j = 0; j < M; j++) {
    const float *b = y + j * 6;
    for (int v = 0; v < V; v++) {
      vf d0 = x->a[0][v] - b[0], d1 = x->a[1][v] - b[1], d2 = x->a[2][v] - b[2];
      vf K = exp2v((d0 * d0 + d1 * d1 + d2 * d2) * scale);
      s[0][v] += K * b[3], s[1][v] += K * b[4], s[2][v] += K * b[5];
    }
  }
  memcpy(out->a, s, sizeof s);
}

static inline void transposed(const rows3 *x, const rows3 *kappa, const float *y, rows3 *zeta, vf *gamma) {
  vf z[3][V] = {0};
  for (int j = 0; j < M; j++) {
    const float *b = y + j * 6;
    vf g[6] = {0};
    for (int v = 0; v < V; v++) {
      vf k0 = kappa->a[0][v], k1 = kappa->a[1][v], k2 = kappa->a[2][v];
      vf d0 = x->a[0][v] - b[0], d1 = x->a[1][v] - b[1], d2 = x->a[2][v] - b[2];
      vf K = exp2v((d0 * d0 + d1 * d1 + d2 * d2) * scale);
      vf w = K * (k0 * b[3] + k1 * b[4] + k2 * b[5]); /* times −2/σ² outside */
      z[0][v] += w * d0, z[1][v] += w * d1, z[2][v] += w * d2;
      g[0] += w * d0, g[1] += w * d1, g[2] += w * d2;
      g[3] += K * k0, g[4] += K * k1, g[5] += K * k2;
    }
    for (int c = 0; c < 6; c++) gamma[j * 6 + c] += g[c];
  }
  for (int c = 0; c < 3; c++)
    for (int v = 0; v < V; v++) zeta->a[c][v] = (-2 * inv_s2) * z[c][v];
}

static double tracers(int backward, float *gamma_out) {
  double loss = 0;
  int blocks = (NP + 255) / 256;
  size_t gn = (size_t)(T + 1) * M * 6;
  if (backward) memset(gamma_out, 0, sizeof(float) * gn);
#pragma omp parallel reduction(+ : loss)
  {
    rows3 *states = aligned_alloc(64, sizeof(rows3) * (T + 1) * (256 / ROWS));
    rows3 *lambda = aligned_alloc(64, sizeof(rows3) * (256 / ROWS));
    vf *stage = aligned_alloc(64, sizeof(vf) * 6 * M);
    float *gamma = backward ? calloc(gn, sizeof(float)) : NULL;
#pragma omp for schedule(dynamic)
    for (int block = 0; block < blocks; block++) {
      int groups = 0;
      for (int i = block * 256; i < NP && i < block * 256 + 256; i += ROWS, groups++) {
        rows3 x, u;
        for (int c = 0; c < 3; c++)
          for (int v = 0; v < V; v++) x.a[c][v] = *(vf *)(x0 + (size_t)c * NP + i + v * LANES);
        states[groups] = x;
        for (int k = 0; k < T; k++) {
          velocity(&x, qp + (size_t)k * M * 6, &u);
          for (int c = 0; c < 3; c++)
            for (int v = 0; v < V; v++) x.a[c][v] += h * u.a[c][v];
          states[(k + 1) * (256 / ROWS) + groups] = x;
        }
      }
      for (int g = 0; g < groups; g++)
        for (int c = 0; c < 3; c++)
          for (int v = 0; v < V; v++) lambda[g].a[c][v] = splat(0);
      for (int k = T; k >= 0; k--) {
        if (backward && k < T) memset(stage, 0, sizeof(vf) * 6 * M);
        for (int g = 0; g < groups; g++) {
          int i = block * 256 + g * ROWS;
          rows3 *x = &states[k * (256 / ROWS) + g], z, kappa;
          if (backward && k < T) {
            for (int c = 0; c < 3; c++)
              for (int v = 0; v < V; v++) kappa.a[c][v] = h * lambda[g].a[c][v];
            transposed(x, &kappa, qp + (size_t)k * M * 6, &z, stage);
            for (int c = 0; c < 3; c++)
              for (int v = 0; v < V; v++) lambda[g].a[c][v] += z.a[c][v];
          }
          for (int v = 0; v < V; v++)
            for (int c = 0; c < 3; c++) {
              vf d = x->a[c][v] - *(vf *)(goal + (size_t)c * NP + i + v * LANES);
              for (int e = 0; e < LANES; e++)
                if (i + v * LANES + e < N) {
                  loss += d[e] * d[e];
                  lambda[g].a[c][v][e] += 2 * d[e] / N;
                }
            }
        }
        if (backward && k < T)
          for (int j = 0; j < M; j++)
            for (int c = 0; c < 6; c++)
              gamma[((size_t)k * M + j) * 6 + c] += (c < 3 ? 2 * inv_s2 : 1) * across(stage[j * 6 + c]);
      }
    }
    if (backward) {
#pragma omp critical
      for (size_t i = 0; i < gn; i++) gamma_out[i] += gamma[i];
    }
    free(states), free(lambda), free(stage), free(gamma);
  }
  return loss / N;
}

/* One Gaussian sum: s_i = Σ_j K(x_i, q_j) p_j, no time. */
static double one_sum(float *out) {
#pragma omp parallel for schedule(static)
  for (int i = 0; i < NP; i += ROWS) {
    rows3 x, u;
    for (int c = 0; c < 3; c++)
      for (int v = 0; v < V; v++) x.a[c][v] = *(vf *)(x0 + (size_t)c * NP + i + v * LANES);
    velocity(&x, qp, &u);
    for (int c = 0; c < 3; c++)
      for (int v = 0; v < V; v++) *(vf *)(out + (size_t)c * NP + i + v * LANES) = u.a[c][v];
  }
  return out[0];
}

int main(int argc, char **argv) {
  if (argc < 6) return fprintf(stderr, "usage: %s sum|forward|gradient|sources N M T REPEATS\n", argv[0]), 2;
  const char *mode = argv[1];
  N = atoi(argv[2]), M = atoi(argv[3]), T = atoi(argv[4]);
  int repeats = atoi(argv[5]);
  NP = (N + ROWS - 1) / ROWS * ROWS;
  float sigma = 0.5f;
  inv_s2 = 1 / (sigma * sigma), scale = -1.4426950408889634f * inv_s2, h = 1.0f / T;
  qp = aligned_alloc(64, (sizeof(float) * (size_t)(T + 1) * M * 6 + 63) / 64 * 64);
  x0 = aligned_alloc(64, sizeof(float) * 3 * NP), goal = aligned_alloc(64, sizeof(float) * 3 * NP);
  float *out = aligned_alloc(64, sizeof(float) * 3 * NP);
  for (int j = 0; j < M * 6; j++) qp[j] = j % 6 < 3 ? uniform() : 0.3f * uniform() / M;
  for (int i = 0; i < 3 * NP; i++) x0[i] = uniform(), goal[i] = uniform();
  float *gamma = calloc((size_t)(T + 1) * M * 6, sizeof(float)), *mu = calloc((size_t)M * 6, sizeof(float));
  double *times = malloc(sizeof(double) * repeats), loss = 0;
  for (int r = -1; r < repeats; r++) {
    double begin = seconds();
    if (!strcmp(mode, "sum")) loss = one_sum(out);
    else if (!strcmp(mode, "sources")) sources_forward(), sources_backward(gamma, mu);
    else {
      sources_forward();
      loss = tracers(!strcmp(mode, "gradient"), gamma);
      if (!strcmp(mode, "gradient")) sources_backward(gamma, mu);
    }
    if (r >= 0) times[r] = seconds() - begin;
  }
  qsort(times, repeats, sizeof(double), by_value);
  double check = 0;
  for (int i = 0; i < M * 6; i++) check += fabs(mu[i]);
  printf("{ \"seconds\": %.9g, \"loss\": %.9g, \"check\": %.9g, \"lanes\": %d, \"threads\": %d }\n", times[repeats / 2], loss, check,
         LANES, omp_get_max_threads());
  return 0;
}
