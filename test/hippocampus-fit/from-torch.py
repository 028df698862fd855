"""Where losses.json, iterate.npy and gradient.npy come from: the formulas of job.ts as dense float64 PyTorch.

    pip install torch numpy scipy
    npx tsx test/hippocampus-fit/iterates.ts FOLDER        # iterates.npy, the points of L-BFGS
    python test/hippocampus-fit/from-torch.py FOLDER/iterates.npy ../shared/data/hippocampus

Nothing of skewflow is used: kernels are M x M, N x M and N x N matrices, gradients are torch.autograd's, the optimisers
are three lines of gradient descent and scipy's L-BFGS-B. The losses at the iterates of our own L-BFGS are those of torch.
"""

import json
import sys
from pathlib import Path

import numpy as np
import scipy
import torch
from scipy.optimize import minimize

torch.set_default_dtype(torch.float64)
here = Path(__file__).parent
folder = Path(sys.argv[2])
q0, x0, z = (
    torch.tensor(np.load(folder / f"{name}.npy").astype(np.float64))
    for name in ("control_points", "source_vertices", "target_vertices")
)
sigma, s, cost, steps = 20.0, 3.0, 0.01, 10
rate, iterations = 0.02, 20


def sqdist(a, b):
    return ((a[:, None, :] - b[None, :, :]) ** 2).sum(-1)


def flow(x, q, p):
    k = torch.exp(-sqdist(q, q) / sigma**2)
    w = 2 / sigma**2 * (p @ p.T) * k
    return torch.exp(-sqdist(x, q) / sigma**2) @ p, k @ p, w.sum(1)[:, None] * q - w @ q


def loss_at(p0):
    x, q, p, h = x0, q0, p0, 1 / steps
    for _ in range(steps):  # Ralston: 1/4 at t, 3/4 at t + 2h/3
        a = flow(x, q, p)
        b = flow(*(y + 2 * h / 3 * k for y, k in zip((x, q, p), a)))
        x, q, p = (y + h * (k / 4 + 3 * m / 4) for y, k, m in zip((x, q, p), a, b))
    scores = -((x**2).sum(1)[:, None] - 2 * x @ z.T + (z**2).sum(1)[None, :]) / (2 * s**2)
    kinetic = cost / 2 * (torch.exp(-sqdist(q0, q0) / sigma**2) * (p0 @ p0.T)).sum()
    return -torch.logsumexp(scores, 1).mean() + kinetic


def evaluate(p):
    p = torch.tensor(np.asarray(p).reshape(q0.shape), requires_grad=True)
    loss = loss_at(p)
    loss.backward()
    return loss.item(), p.grad.numpy().copy()


p, descent = np.zeros(tuple(q0.shape)), []
for _ in range(iterations + 1):
    loss, gradient = evaluate(p)
    descent.append(loss)
    p = p - rate * gradient

points = np.load(sys.argv[1])
quasi_newton = [evaluate(point) for point in points]
np.save(here / "iterate.npy", points[10])
np.save(here / "gradient.npy", quasi_newton[10][1])

seen = []
minimize(
    lambda v: (lambda value: (value[0], value[1].ravel()))(evaluate(v)),
    np.zeros(q0.numel()),
    jac=True,
    method="L-BFGS-B",
    options={"maxiter": iterations, "maxcor": 10, "ftol": 0, "gtol": 0},
    callback=lambda intermediate_result: seen.append(intermediate_result.fun),
)

versions = {"torch": torch.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
result = {
    "versions": versions,
    "gradientDescent": {"rate": rate, "losses": descent},
    "lbfgs": {"losses": [loss for loss, _ in quasi_newton]},
    "scipy": {"losses": seen},
}
(here / "losses.json").write_text(json.dumps(result, indent=2) + "\n")
