"""The Gaussian sum of N rows over M in KeOps: python sum_keops.py N M _ REPEATS → one JSON line. Needs torch and pykeops.

Σ_j K(x_i, q_j) p_j, its mean over the rows, and the gradient with respect to q and p by autograd.
"""
import json
import sys
import time

import torch
from pykeops.torch import LazyTensor

N, M, _, repeats = (int(a) for a in sys.argv[1:5])
sigma = 0.5
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(0)
draw = lambda n: (torch.rand(n, 3) * 2 - 1).to(device)
q, p, x = draw(M).requires_grad_(), draw(M).requires_grad_(), draw(N)


def loss():
    d = LazyTensor(x[:, None, :].contiguous()) - LazyTensor(q[None, :, :].contiguous())
    K = (-(d**2).sum(-1) / sigma**2).exp()
    return (K * LazyTensor(p[None, :, :].contiguous())).sum(1).sum(-1).mean()


def gradient():
    return torch.autograd.grad(loss(), (q, p))


def forward():
    with torch.no_grad():
        return loss()


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
