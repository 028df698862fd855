/* Vectors of floats for the native peers: GCC vector extensions, as wide as the machine's registers. */
#ifndef LANES_H
#define LANES_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int vi __attribute__((vector_size(LANES * 4)));

static inline vf splat(float a) { return (vf){0} + a; }
static inline vf choose(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }
static inline float across(vf a) {
  float s = 0;
  for (int l = 0; l < LANES; l++) s += a[l];
  return s;
}

/* 2^x: nearest integer by conversion, degree-5 polynomial on [-1/2, 1/2] (relative error 2e-7), exponent added as bits.
   Coefficients: minimax on the interval, the shape described in Muller, Elementary Functions, 3rd ed., 2016, ch. 3. */
static inline vf exp2v(vf x) {
  x = choose(x < splat(-126.0f), splat(-126.0f), x);
  vi n = __builtin_convertvector(x + choose(x < splat(0), splat(-0.5f), splat(0.5f)), vi);
  vf f = x - __builtin_convertvector(n, vf);
  vf p = splat(1.3333558146428443e-3f);
  p = p * f + splat(9.6181291076284772e-3f);
  p = p * f + splat(5.5504108664821580e-2f);
  p = p * f + splat(2.4022650695910072e-1f);
  p = p * f + splat(6.9314718055994531e-1f);
  p = p * f + splat(1.0f);
  return (vf)((vi)p + (n << 23));
}

static inline double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static inline int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The same generator in every peer: xorshift, uniform in [-1, 1). */
static unsigned long long random_state = 88172645463325252ull;
static inline float uniform(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (float)((random_state >> 11) * (2.0 / 9007199254740992.0) - 1.0);
}
#endif
