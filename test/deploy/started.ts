/** What do tests of processes share? A job of several phases, and a look at what a process says of itself. */
import type { Service } from '../fleet.ts';

export const limits = { timeout: 240_000 };

/** Several iterations of two phases, so that every part of one is timed. */
export const job = `
name: small
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: 5 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 3000 }
params: { sigma: 0.7 }
flow:
  x: mean(j, exp(-sqdist(x, q[j]) / sigma^2) * (q[j] - x))
  q: sum(k != j, 0.1 * (q[k] - q))
integrate: { scheme: rk4, from: 0, to: 1, steps: 8 }
loss: log(mean(i, sqnorm(x)))
gradient: [q, sigma]
shards: 8
`;

/** Asks a process that was started with `--listen`. */
export type Get = (path: string, init?: RequestInit) => Promise<Response>;

/** Resolves when it listens. */
export async function listening(service: Service): Promise<Get> {
  await service.says(/status at http/);
  const [address] = /http:\/\/127\.0\.0\.1:\d+/.exec(service.log()) ?? [];
  return (path, init) => fetch(`${address}${path}`, init);
}

export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 90_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not within 90 s: ${what}`);
}
