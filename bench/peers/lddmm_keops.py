"""Issue 301's job in KeOps + torch autograd: python lddmm_keops.py N M T REPEATS → one JSON line. Needs torch and pykeops.

As a KeOps user writes it: LazyTensors for the three sums, autograd through T Euler steps.
"""
import json
import sys
import time

import torch
from pykeops.torch import LazyTensor

N, M, T, repeats = (int(a) for a in sys.argv[1:5])
sigma = 0.5
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(0)
draw = lambda n: (torch.rand(n, 3) * 2 - 1).to(device)
q0, p0, x0, goal = draw(M).requires_grad_(), (draw(M) * 0.3 / M).requires_grad_(), draw(N), draw(N)


def kernel(a, b):
    d = LazyTensor(a[:, None, :].contiguous()) - LazyTensor(b[None, :, :].contiguous())
    return (-(d**2).sum(-1) / sigma**2).exp(), d


def loss(q, p):
    x, total, h = x0, 0.0, 1 / T
    for _ in range(T):
        total = total + ((x - goal) ** 2).sum(-1).mean()
        K, d = kernel(q, q)
        pj = LazyTensor(p[None, :, :].contiguous())
        dot = (LazyTensor(p[:, None, :].contiguous()) * pj).sum(-1)
        dq, dp = (K * pj).sum(1), 2 / sigma**2 * (dot * K * d).sum(1)
        Kx, _ = kernel(x, q)
        dx = (Kx * pj).sum(1)
        q, p, x = q + h * dq, p + h * dp, x + h * dx
    return total + ((x - goal) ** 2).sum(-1).mean()


def gradient():
    return torch.autograd.grad(loss(q0, p0), (q0, p0))


def forward():
    with torch.no_grad():
        return loss(q0, p0)


def measure(f):
    f()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        f()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2]


import pykeops

print(json.dumps({"peer": f"KeOps {pykeops.__version__} + torch {torch.__version__} {device}", "forward": measure(forward), "gradient": measure(gradient)}))
