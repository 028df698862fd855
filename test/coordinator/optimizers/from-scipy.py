"""Where scipy.json comes from: bounded problems minimised by scipy's L-BFGS-B.

    pip install numpy scipy
    python test/coordinator/optimizers/from-scipy.py

Derivatives are exact: sums of squares of residuals with Jacobians by complex step, which has no truncation error to see.
"""

import json
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import minimize

sqrt = np.sqrt


def rosenbrock(x):
    return [10 * (x[1] - x[0] ** 2), 1 - x[0]]


def beale(x):
    return [c - x[0] * (1 - x[1] ** (i + 1)) for i, c in enumerate((1.5, 2.25, 2.625))]


def wood(x):
    a, b, c, d = x
    s10, s90 = sqrt(10), sqrt(90)
    return [10 * (b - a * a), 1 - a, s90 * (d - c * c), 1 - c, s10 * (b + d - 2), (b - d) / s10]


def powell_singular(x):
    a, b, c, d = x
    return [a + 10 * b, sqrt(5) * (c - d), (b - 2 * c) ** 2, sqrt(10) * (a - d) ** 2]


def broyden(x):
    before, after = np.concatenate(([0], x[:-1])), np.concatenate((x[1:], [0]))
    return list((3 - 2 * x) * x - before - 2 * after + 1)


def extended_rosenbrock(x):
    return list(10 * (x[1::2] - x[0::2] ** 2)) + list(1 - x[0::2])


# Within bounds Wood's function has two minima; its starts here are in the valley of the lower one.
problems = [
    ("Rosenbrock (1)", rosenbrock, [-1.2, 1], [(-50, 0.5), (0, 100)]),
    ("Rosenbrock (1)", rosenbrock, [-1.2, 1.7], [(-3, 3), (1.5, 100)]),
    ("Beale (5)", beale, [1, 1], [(0.6, 10), (0.5, 100)]),
    ("Beale (5)", beale, [1, 1], [(0.6, 2.3), (-2, 100)]),
    ("Wood (14)", wood, [-1, 2.1, 1.3, 0.7], [(-100, 0), (-100, 10), (-100, 100), (-100, 100)]),
    ("Wood (14)", wood, [0.5, 0.3, 1.2, 1.4], [(-3.3, 0.9), (-3, 0.7), (-4, 2), (-4, 2)]),
    ("Powell singular (13)", powell_singular, [3, -1, 0, 1], [(0.1, 100), (-20, 20), (-1, 1), (-1, 50)]),
    ("extended Rosenbrock (21) of 100 variables", extended_rosenbrock, [-1.2, 1] * 50, [(-1.5, 0.8), (-2, 2)] * 50),
    ("Broyden tridiagonal (30) of 50 variables", broyden, [-1] * 50, [(-1, -0.65), (-1, 0.2)] * 25),
]


def objective(residuals, x):
    r = np.array(residuals(x))
    gradient = np.zeros_like(x)
    for i in range(len(x)):
        z = x.astype(complex)
        z[i] += 1e-30j
        gradient[i] = 2 * r @ (np.imag(np.array(residuals(z))) / 1e-30)
    return r @ r, gradient


out = []
for title, residuals, start, bounds in problems:
    found = minimize(
        lambda x: objective(residuals, x),
        np.array(start, dtype=float),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxcor": 10, "ftol": 0, "gtol": 1e-8, "maxiter": 5000, "maxfun": 50000},
    )
    out.append(
        {
            "title": title,
            "start": start,
            "lower": [low for low, _ in bounds],
            "upper": [high for _, high in bounds],
            "loss": found.fun,
            "point": list(found.x),
            "evaluations": found.nfev,
        }
    )
    print(title, found.fun, found.nit, found.nfev, found.message)

document = {"versions": {"numpy": np.__version__, "scipy": scipy.__version__}, "problems": out}
(Path(__file__).parent / "scipy.json").write_text(json.dumps(document, indent=1) + "\n")
