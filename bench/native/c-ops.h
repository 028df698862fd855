/* The operations of the op table on vectors, for C generated from kernels: what gcc and libmvec make of them. */
#ifndef C_OPS_H
#define C_OPS_H
#include "lanes.h"

#define EACH(expression)                      \
  vf r;                                       \
  for (int l = 0; l < LANES; l++) r[l] = (expression); \
  return r

static inline vf mask_one(vi m) { return (vf)(m & (vi)splat(1)); }
static inline vf v_exp2(vf a) { return choose(a > splat(127.99f), splat(127.99f), a), exp2v(choose(a > splat(127.99f), splat(127.99f), a)); }
static inline vf v_exp(vf a) { return v_exp2(a * splat(1.4426950408889634f)); }
static inline vf v_sqrt(vf a) { EACH(sqrtf(a[l])); }
static inline vf v_rsqrt(vf a) { EACH(1 / sqrtf(a[l])); }
static inline vf v_recip(vf a) { return splat(1) / a; }
static inline vf v_log(vf a) { EACH(logf(a[l])); }
static inline vf v_log2(vf a) { EACH(log2f(a[l])); }
static inline vf v_sin(vf a) { EACH(sinf(a[l])); }
static inline vf v_cos(vf a) { EACH(cosf(a[l])); }
static inline vf v_tanh(vf a) { vf e = v_exp2(a * splat(2.8853900817779268f)); return (e - splat(1)) / (e + splat(1)); }
static inline vf v_sigmoid(vf a) { return splat(1) / (splat(1) + v_exp2(a * splat(-1.4426950408889634f))); }
static inline vf v_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }
static inline vf v_min(vf a, vf b) { return choose(b < a, b, a); }
static inline vf v_max(vf a, vf b) { return choose(b > a, b, a); }
static inline vf v_relu(vf a) { return v_max(a, splat(0)); }
static inline vf v_step(vf a) { return mask_one(a >= splat(0)); }
static inline vf v_sign(vf a) { return mask_one(a > splat(0)) - mask_one(a < splat(0)); }
static inline vf v_lt(vf a, vf b) { return mask_one(a < b); }
static inline vf v_le(vf a, vf b) { return mask_one(a <= b); }
static inline vf v_gt(vf a, vf b) { return mask_one(a > b); }
static inline vf v_ge(vf a, vf b) { return mask_one(a >= b); }
static inline vf v_eq(vf a, vf b) { return mask_one(a == b); }
static inline vf v_ne(vf a, vf b) { return mask_one(a != b); }
static inline vf v_select(vf c, vf a, vf b) { return choose(c != splat(0), a, b); }
static inline vf v_where(vf c, vf a) { return choose(c != splat(0), a, splat(0)); }
static inline vf v_stop(vf a) { return a; }
static inline vf v_iota(int i) { EACH((float)(i + l)); }
#endif
