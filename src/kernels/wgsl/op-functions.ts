/**
 * Operations as functions of WGSL: what it lacks, or bounds too loosely for an op's tolerance.
 *
 * WGSL ("Floating Point Evaluation", "Accuracy of builtins") bounds exp and exp2 by 3 + 2|x| ulp, sin and cos by an
 * absolute 2⁻¹¹ on [−π, π] only, log near 1 by an absolute 2⁻²¹, pow by exp2(y log2 x), tanh by sinh/cosh, and division
 * by 2.5 ulp. Only +, −, ·, comparisons, floor, trunc and what works on bits are as exact as here. Errors named below
 * hold for arithmetic that is rounded once; a fused multiply-add changes them by less than half an ulp. Coefficients are
 * those of the WASM prelude (`wasm/prelude/coefficients.ts`).
 */
import { polynomials } from '../wasm/prelude/coefficients.ts';
import { code, real } from './code.ts';

/** c₀ + c₁ x + … + cₙ xⁿ by Horner's rule. */
function horner(x: string, coefficients: readonly number[]): string {
  return coefficients
    .slice(0, -1)
    .reduceRight((sum, c) => `(${sum} * ${x} + ${real(c)})`, real(coefficients.at(-1) ?? 0));
}

const of = (name: keyof typeof polynomials): readonly number[] => polynomials[name].f32x4;

/** Name ↦ text; the names are those that the records of `ops/` call. */
export const opFunctions: Readonly<Record<string, string>> = {
  // 2ˣ = 2ⁿ 2ᶠ, n = round x: on [−½, ½] the built-in is within 4 ulp, and 2ⁿ is made of its exponent. A device whose
  // built-in has proved to be as good everywhere is spared that (`built-ins.ts` of the engine).
  skewflow_exp2: code`
    override built_in_exp2 = false;

    fn skewflow_exp2(x: f32) -> f32 {
      if (built_in_exp2) { return exp2(x); }
      let n = clamp(round(x), -126.0, 127.0);
      return exp2(x - n) * bitcast<f32>(u32(i32(n) + 127) << 23u);
    }
  `,

  // eˣ = 2ⁿ (1 + q), n = round(x/ln 2), q = eʳ − 1 with r = x − n ln 2 in two parts (Cody & Waite). Error ≤ 1.5 ulp;
  // beyond the exponent's range ∞, and the least normal number.
  skewflow_exp: code`
    fn skewflow_exp(x: f32) -> f32 {
      if (is_nan(x)) { return x; }
      let y = clamp(x, -87.4, 88.8);
      let n = clamp(round(y * ${real(Math.LOG2E)}), -126.0, 127.0);
      let r = (y - n * 0.693359375) - n * -2.1219444e-4;
      return ${horner('r', [1, ...of('expm1')])} * bitcast<f32>(u32(i32(n) + 127) << 23u);
    }
  `,

  // x = 2ᵏ m, √½ ≤ m < √2: k, and log m = f − (½f² − tail). fdlibm e_log.c, coefficients refitted.
  logarithm: code`
    struct Logarithm { k: f32, f: f32, half: f32, tail: f32 }

    fn logarithm(x: f32) -> Logarithm {
      let i = bitcast<u32>(x) + (0x3f800000u - 0x3f3504f3u);
      let k = f32(i32(i >> 23u) - 127);
      let f = bitcast<f32>((i & 0x7fffffu) + 0x3f3504f3u) - 1.0;
      let s = f / (f + 2.0);
      let z = s * s;
      let half = f * 0.5 * f;
      return Logarithm(k, f, half, s * (${horner('z', of('log'))} * z + half));
    }
  `,

  // −∞ at 0, NaN below, ∞ and NaN as they came.
  logarithmic: code`
    fn logarithmic(x: f32, regular: f32) -> f32 {
      if (x > 0.0 && !not_finite(x)) { return regular; }
      if (x == 0.0) { return -infinity(); }
      return select(x, not_a_number(), x < 0.0);
    }
  `,

  // ln x = k ln 2 + log m. Error ≤ 1.5 ulp.
  skewflow_log: code`
    fn skewflow_log(x: f32) -> f32 {
      let l = logarithm(x);
      let low = l.k * -2.1219444e-4 + l.tail;
      return logarithmic(x, l.k * 0.693359375 + (l.f - (l.half - low)));
    }
  `,

  // log₂ x = k + log m · log₂ e. Error ≤ 3 ulp.
  skewflow_log2: code`
    fn skewflow_log2(x: f32) -> f32 {
      let l = logarithm(x);
      return logarithmic(x, (l.f - (l.half - l.tail)) * ${real(Math.LOG2E)} + l.k);
    }
  `,

  // xʸ = 2^(y k + y w), log₂ x = k + w: y k is exact in two parts, y being split in halves that k times fits.
  // Error ≤ 2 + 2|y| ulp; NaN for x < 0, 0ʸ as in JavaScript.
  skewflow_pow: code`
    fn skewflow_pow(x: f32, y: f32) -> f32 {
      let l = logarithm(x);
      var k = l.k;
      if (x == 0.0) { k = -1099511627776.0; }
      if (x > 3.4028234e38) { k = 1099511627776.0; }
      let high = bitcast<f32>(bitcast<u32>(y) & 0xfffff000u);
      let a = high * k;
      let b = (y - high) * k;
      let c = (l.f - (l.half - l.tail)) * ${real(Math.LOG2E)} * y;
      let n = round(clamp(a + (b + c), -127.0, 128.0));
      let g = clamp(((a - n) + b) + c, -1.0, 1.0);
      // 2ⁿ in two factors: 2⁻¹²⁷ and 2¹²⁸ have no exponent of their own.
      let m = clamp(n, -126.0, 127.0);
      let scale = bitcast<f32>(u32(i32(m) + 127) << 23u);
      let power = ${horner('g', [1, ...of('exp2')])} * scale;
      let bounded = select(select(power, 0.0, n <= -127.0), infinity(), n >= 128.0);
      return select(bounded, not_a_number(), x < 0.0 || is_nan(x) || is_nan(y));
    }
  `,

  // 1/√x, and 0 at 0. Error ≤ 2 ulp.
  skewflow_rsqrt: code`
    fn skewflow_rsqrt(x: f32) -> f32 {
      return select(inverseSqrt(x), 0.0, x == 0.0);
    }
  `,

  // −m/(2 + m), m = e^(−2|x|) − 1 = 2ⁿ q + (2ⁿ − 1), and the sign of x. Error ≤ 4 ulp.
  skewflow_tanh: code`
    fn skewflow_tanh(x: f32) -> f32 {
      if (is_nan(x)) { return x; }
      let argument = max(abs(x) * -2.0, -48.0);
      let n = round(argument * ${real(Math.LOG2E)});
      let r = (argument - n * 0.693359375) - n * -2.1219444e-4;
      let scale = bitcast<f32>(u32(i32(n) + 127) << 23u);
      let m = ${horner('r', of('expm1'))} * r * scale + (scale - 1.0);
      let magnitude = abs(m / (m + 2.0));
      return select(magnitude, -magnitude, x < 0.0);
    }
  `,

  skewflow_sigmoid: code`
    fn skewflow_sigmoid(x: f32) -> f32 {
      return 1.0 / (1.0 + skewflow_exp(-x));
    }
  `,

  // x + x P(x²) for |x| < 1, else ±(1 − e^(−x² − T(|x| − 1))). Error ≤ 3 ulp.
  skewflow_erf: code`
    fn skewflow_erf(x: f32) -> f32 {
      if (is_nan(x)) { return x; }
      let a = min(abs(x), 4.0);
      let z = a * a;
      let u = a - 1.0;
      let small = ${horner('z', of('erf'))} * a + a;
      let large = 1.0 - skewflow_exp(-(${horner('u', of('erfTail'))} + z));
      let magnitude = select(large, small, a < 1.0);
      return select(magnitude, -magnitude, x < 0.0);
    }
  `,

  // x = j π/2 + r, |r| ≤ π/4: sin r, cos r, and j mod 4. π/2 = a + b + c, j a and j b exact for |x| ≤ 1.2e4
  // (Cephes sinf.c). Absolute error ≤ 1.6 u.
  quadrant: code`
    struct Quadrant { sine: f32, cosine: f32, number: u32 }

    fn quadrant(x: f32) -> Quadrant {
      let j = round(x * ${real(2 / Math.PI)});
      let r = ((x - j * 1.5703125) - j * 4.837512969970703e-4) - j * 7.549789954891882e-8;
      let z = r * r;
      let sine = ${horner('z', of('sin'))} * z * r + r;
      let cosine = ${horner('z', of('cos'))} * z * z + (1.0 - 0.5 * z);
      return Quadrant(sine, cosine, u32(i32(clamp(j, -1e9, 1e9))) & 3u);
    }

    fn sine_of(q: Quadrant, number: u32) -> f32 {
      let magnitude = select(q.sine, q.cosine, (number & 1u) == 1u);
      return select(magnitude, -magnitude, (number & 2u) == 2u);
    }
  `,
  skewflow_sin: code`
    fn skewflow_sin(x: f32) -> f32 {
      let q = quadrant(x);
      return sine_of(q, q.number);
    }
  `,
  skewflow_cos: code`
    fn skewflow_cos(x: f32) -> f32 {
      let q = quadrant(x);
      return sine_of(q, q.number + 1u);
    }
  `,
  skewflow_tan: code`
    fn skewflow_tan(x: f32) -> f32 {
      let q = quadrant(x);
      let odd = (q.number & 1u) == 1u;
      let quotient = select(q.sine, q.cosine, odd) / select(q.cosine, q.sine, odd);
      return select(quotient, -quotient, odd);
    }
  `,

  // For a = |x| ≤ ½ asin a, else asin √((1 − a)/2) = ½ acos a; s + s³ P(s²) either way. Cephes asin.c.
  arcsine: code`
    fn arcsine(a: f32) -> f32 {
      let z = select(a * a, (1.0 - a) * 0.5, a > 0.5);
      let s = select(a, sqrt(z), a > 0.5);
      return ${horner('z', of('asin'))} * z * s + s;
    }
  `,
  skewflow_asin: code`
    fn skewflow_asin(x: f32) -> f32 {
      let a = abs(x);
      if (!(a <= 1.0)) { return not_a_number(); }
      let angle = arcsine(a);
      let magnitude = select(angle, 1.5707963705062866 - ((angle + angle) - -4.371139000186241e-8), a > 0.5);
      return select(magnitude, -magnitude, x < 0.0);
    }
  `,
  skewflow_acos: code`
    fn skewflow_acos(x: f32) -> f32 {
      let a = abs(x);
      if (!(a <= 1.0)) { return not_a_number(); }
      let angle = select(arcsine(a), -arcsine(a), x < 0.0);
      let far = select(0.0, 3.1415927410125732, x < 0.0) + (angle + angle);
      return select(1.5707963705062866 - (angle - -4.371139000186241e-8), far, a > 0.5);
    }
  `,

  // t = |y|/|x| or its inverse, reduced below tan(π/8) by (t − 1)/(t + 1); x + x³ P(x²) there. Error ≤ 4 ulp.
  skewflow_atan2: code`
    fn skewflow_atan2(y: f32, x: f32) -> f32 {
      let a = abs(x);
      let b = abs(y);
      let low = min(a, b);
      let high = max(a, b);
      let reduce = low > high * 0.41421357;
      let above = select(low, low - high, reduce);
      let below = select(high, low + high, reduce);
      let t = select(above / below, 0.0, below == 0.0);
      let z = t * t;
      var angle = ${horner('z', of('atan'))} * z * t + t;
      angle = select(angle, angle + 0.7853981852531433, reduce);
      angle = select(angle, 1.5707963705062866 - (angle - -4.371139000186241e-8), b > a);
      angle = select(angle, 3.1415927410125732 - (angle - -8.742278000372482e-8), (bitcast<u32>(x) >> 31u) == 1u);
      return select(angle, -angle, (bitcast<u32>(y) >> 31u) == 1u);
    }
  `,
  skewflow_atan: code`
    fn skewflow_atan(x: f32) -> f32 {
      return skewflow_atan2(x, 1.0);
    }
  `,

  // Half away from zero: trunc(x + h) with h the number below ½ and the sign of x.
  skewflow_round: code`
    fn skewflow_round(x: f32) -> f32 {
      return trunc(x + select(0.49999997, -0.49999997, x < 0.0));
    }
  `,

  // x − n ⌊x/n⌋; where x/n rounds up to a whole number the difference has the wrong sign, and n is added.
  skewflow_mod: code`
    fn skewflow_mod(x: f32, n: f32) -> f32 {
      let r = x - floor(x / n) * n;
      return r + select(0.0, n, r * n < 0.0);
    }
  `,

  // A NaN stays, whichever argument it is; the first wins ties. The built-ins may return either argument.
  skewflow_min: code`
    fn skewflow_min(x: f32, y: f32) -> f32 {
      return select(select(x, y, y < x), y, is_nan(y));
    }
  `,
  skewflow_max: code`
    fn skewflow_max(x: f32, y: f32) -> f32 {
      return select(select(x, y, y > x), y, is_nan(y));
    }
  `,
  skewflow_clamp: code`
    fn skewflow_clamp(x: f32, low: f32, high: f32) -> f32 {
      let above = select(x, low, x < low);
      return select(above, high, above > high);
    }
  `,
  skewflow_sign: code`
    fn skewflow_sign(x: f32) -> f32 {
      return select(x, select(1.0, -1.0, x < 0.0), abs(x) > 0.0);
    }
  `,
};
