"""Which polynomials coefficients.ts holds: minimax fits by Remez exchange, rounded coefficient by coefficient.

    python3 minimax.py > coefficients.ts        (needs mpmath; takes some minutes; then format the file)

Every polynomial P of degree n minimises max |w (g - P)| on [a, b], w turning the error of P into the relative error
of the function that is built from it. Lower coefficients are rounded to the lane's type first, and the others are
fitted again to what is left (Lawson's reweighted least squares), so that rounding costs next to nothing (Muller,
Elementary Functions, 3rd ed., 4.2).
"""
import struct
import sys
from mpmath import mp, mpf, sqrt, exp, log, sin, cos, tan, asin, atan, atanh, erf, erfc, pi, lu_solve, matrix

mp.dps = 60


def remez(g, w, degree, a, b):
    """Coefficients, lowest first, and the levelled error of the best polynomial on [a, b]."""
    n = degree + 2
    points = 40 * n
    grid = [(a + b) / 2 - (b - a) / 2 * cos(pi * (k + mpf(1) / 3) / points) for k in range(points)]
    values = [(x, g(x), w(x)) for x in grid]
    at = [int((k + mpf(1) / 2) * points / n) for k in range(n)]
    for _ in range(60):
        rows, right = [], []
        for sign, k in enumerate(at):
            x, gx, wx = values[k]
            rows.append([x ** j for j in range(degree + 1)] + [(-1) ** sign / wx])
            right.append(gx)
        solution = lu_solve(matrix(rows), matrix(right))
        c = [solution[j] for j in range(degree + 1)]
        level = abs(solution[degree + 1])
        errors = [wx * (gx - horner(c, x)) for x, gx, wx in values]
        # The largest error of each run of equal sign.
        runs = []
        for k, e in enumerate(errors):
            if runs and (errors[runs[-1]] > 0) == (e > 0):
                if abs(e) > abs(errors[runs[-1]]):
                    runs[-1] = k
            else:
                runs.append(k)
        worst = max(abs(e) for e in errors)
        if len(runs) < n or worst < level * (1 + mpf(10) ** -4):
            return c, worst
        while len(runs) > n:
            runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
        at = runs
    return c, worst


def lawson(g, w, powers, grid):
    """Coefficients of those powers minimising the largest |w (g - P)| on the grid, by reweighted least squares."""
    weights = [mpf(1) / len(grid)] * len(grid)
    rows = [([w(x) * x ** p for p in powers], w(x) * g(x)) for x in grid]
    best = None
    for _ in range(80):
        normal, right = matrix(len(powers)), matrix(len(powers), 1)
        for q, (row, value) in zip(weights, rows):
            for i, ri in enumerate(row):
                right[i] += q * ri * value
                for j in range(i, len(row)):
                    normal[i, j] += q * ri * row[j]
        for i in range(len(powers)):
            for j in range(i):
                normal[i, j] = normal[j, i]
        c = list(lu_solve(normal, right))
        errors = [abs(value - sum(ck * rk for ck, rk in zip(c, row))) for row, value in rows]
        if best is None or max(errors) < best[1]:
            best = (c, max(errors))
        total = sum(q * e for q, e in zip(weights, errors))
        weights = [q * e / total for q, e in zip(weights, errors)]
    return best[0]


def horner(c, x):
    y = mpf(0)
    for k in reversed(c):
        y = y * x + k
    return y


def rounded(x, bits):
    if bits == 64:
        return float(x)
    return struct.unpack('<f', struct.pack('<f', float(x)))[0]


def fit(bits, g, w, degree, a, b):
    """Coefficients representable in the lane's type, lowest first, and the relative error that results."""
    best, _ = remez(g, w, degree, mpf(a), mpf(b))
    c = [rounded(best[0], bits)]
    grid = [(a + b) / 2 - (b - a) / 2 * cos(pi * (k + mpf(1) / 3) / 150) for k in range(150)]
    for k in range(1, degree + 1):
        # In double precision rounding costs nothing that matters.
        if bits == 32:
            best[k:] = lawson(lambda x: g(x) - horner([mpf(f) for f in c], x), w, range(k, degree + 1), grid)
        c.append(rounded(best[k], bits))
    xs = [mpf(a) + (mpf(b) - mpf(a)) * (mpf(k) + mpf(1) / 3) / 2000 for k in range(2000)]
    return c, max(abs(w(x) * (g(x) - horner([mpf(k) for k in c], x))) for x in xs)


half = mpf(1) / 2
halfLn2 = log(2) / 2 * (1 + mpf(10) ** -4)
eighth = tan(pi / 8)
quarter = (pi / 4) ** 2 * (1 + mpf(10) ** -4)
root = lambda f: (lambda z: f(sqrt(z)))

# name: (what, g, w, degree in f32, degree in f64, a, b, for f32 another b)
polynomials = {
    'exp2': ('(2ˣ − 1)/x on [−½, ½], relative to 2ˣ', lambda x: (2 ** x - 1) / x, lambda x: abs(x) / 2 ** x, 4, 10, -half, half),
    'expm1': ('(eˣ − 1)/x on [−ln 2/2, ln 2/2], relative to eˣ − 1', lambda x: (exp(x) - 1) / x, lambda x: x / (exp(x) - 1), 5, 11, -halfLn2, halfLn2),
    'log': ('(2 atanh s − 2s)/s³ as a polynomial in z = s², s ≤ (√2 − 1)/(√2 + 1), relative to log',
            root(lambda s: (2 * atanh(s) - 2 * s) / s ** 3), root(lambda s: s ** 3 / (2 * atanh(s))), 3, 6, mpf(10) ** -9, ((sqrt(2) - 1) / (sqrt(2) + 1)) ** 2),
    'sin': ('(sin x − x)/x³ as a polynomial in x², |x| ≤ π/4, relative to sin x',
            root(lambda x: (sin(x) - x) / x ** 3), root(lambda x: x ** 3 / sin(x)), 2, 5, mpf(10) ** -9, quarter),
    'cos': ('(cos x − 1 + x²/2)/x⁴ as a polynomial in x², |x| ≤ π/4, relative to cos x',
            root(lambda x: (cos(x) - 1 + x ** 2 / 2) / x ** 4), root(lambda x: x ** 4 / cos(x)), 2, 5, mpf(10) ** -9, quarter),
    'asin': ('(asin x − x)/x³ as a polynomial in x², |x| ≤ ½, relative to asin x',
             root(lambda x: (asin(x) - x) / x ** 3), root(lambda x: x ** 3 / asin(x)), 4, 12, mpf(10) ** -9, mpf(1) / 4),
    'atan': ('(atan x − x)/x³ as a polynomial in x², |x| ≤ tan(π/8), relative to atan x',
             root(lambda x: (atan(x) - x) / x ** 3), root(lambda x: x ** 3 / atan(x)), 4, 11, mpf(10) ** -9, eighth ** 2),
    'erf': ('erf x/x − 1 as a polynomial in x², |x| ≤ 1, relative to erf x',
            root(lambda x: erf(x) / x - 1), root(lambda x: x / erf(x)), 6, 13, mpf(10) ** -9, mpf(1)),
}


def tail(bits, degree, b):
    """−log erfc x − x² on [1, b] as a polynomial in x − 1, weighted as erf x = 1 − erfc x is hurt by it."""
    g = lambda u: -log(erfc(1 + u)) - (1 + u) ** 2
    w = lambda u: erfc(1 + u) / erf(1 + u)
    return fit(bits, g, w, degree, mpf(10) ** -9, mpf(b) - 1)


def printed(c):
    return '[' + ', '.join(repr(x) for x in c) + ']'


if __name__ == '__main__':
    print('/** What the coefficients of the prelude\'s polynomials are, lowest first: minimax fits made by minimax.py. */')
    print('// biome-ignore-all lint/suspicious/noApproximativeNumericConstant: fitted, and ln 2 only to the last place')
    print('export const polynomials = {')
    for name, (what, g, w, low, high, a, b) in polynomials.items():
        f32, error32 = fit(32, g, w, low, a, b)
        f64, error64 = fit(64, g, w, high, a, b)
        print(f'  /** {what}. Error {mp.nstr(error32, 2)} in f32, {mp.nstr(error64, 2)} in f64. */')
        print(f'  {name}: {{ f32x4: {printed(f32)}, f64x2: {printed(f64)} }},')
        sys.stdout.flush()
    f32, error32 = tail(32, 6, 4)
    f64, error64 = tail(64, 26, 6)
    print(f'  /** −log erfc x − x² in powers of x − 1, 1 ≤ x ≤ 4 (f32) or 6 (f64), relative to erf x. Error {mp.nstr(error32, 2)} in f32, {mp.nstr(error64, 2)} in f64. */')
    print(f'  erfTail: {{ f32x4: {printed(f32)}, f64x2: {printed(f64)} }},')
    print('} as const;')
