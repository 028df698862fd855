"""Issue 301's job in JAX: python lddmm_jax.py N M T REPEATS → one JSON line. Needs jax (CPU is enough).

Same formulas, Euler, loss over every step, gradient with respect to q0 and p0, jax.jit + jax.grad through lax.scan.
"""
import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

N, M, T, repeats = (int(a) for a in sys.argv[1:5])
sigma = 0.5
rng = np.random.default_rng(0)
q0 = jnp.asarray(rng.uniform(-1, 1, (M, 3)), jnp.float32)
p0 = jnp.asarray(rng.uniform(-1, 1, (M, 3)) * 0.3 / M, jnp.float32)
x0 = jnp.asarray(rng.uniform(-1, 1, (N, 3)), jnp.float32)
goal = jnp.asarray(rng.uniform(-1, 1, (N, 3)), jnp.float32)


def kernel(a, b):
    d = a[:, None, :] - b[None, :, :]
    return jnp.exp(-jnp.sum(d * d, -1) / sigma**2), d


def loss(q, p):
    def step(state, _):
        q, p, x = state
        K, d = kernel(q, q)
        dq = K @ p
        dp = 2 / sigma**2 * jnp.einsum("jk,jkc->jc", K * (p @ p.T), d)
        Kx, _ = kernel(x, q)
        dx = Kx @ p
        value = jnp.mean(jnp.sum((x - goal) ** 2, -1))
        h = 1 / T
        return (q + h * dq, p + h * dp, x + h * dx), value

    (q, p, x), values = jax.lax.scan(step, (q, p, x0), None, length=T)
    return jnp.sum(values) + jnp.mean(jnp.sum((x - goal) ** 2, -1))


def measure(f):
    jax.block_until_ready(f(q0, p0))
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(f(q0, p0))
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2]


forward = measure(jax.jit(loss))
gradient = measure(jax.jit(jax.value_and_grad(loss, argnums=(0, 1))))
print(json.dumps({"peer": f"jax {jax.__version__} {jax.default_backend()}", "forward": forward, "gradient": gradient}))
