/** How long do others take for the same job, on the same card, in the same run? The Python peers of `../peers`, where they are. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface Peer {
  readonly peer: string;
  /** Seconds. */
  readonly forward: number;
  readonly gradient: number;
}

export interface PeerRun {
  readonly peers: readonly Peer[];
  /** What is missing and why, a line each. */
  readonly missing: readonly string[];
}

export function runPeers(
  folder: string,
  scripts: readonly string[],
  size: { readonly n: number; readonly m: number; readonly steps: number; readonly repeats: number },
  /** A peer that takes longer, its compilation included, is left out. */
  patienceMs: number,
): PeerRun {
  const python = process.env['SKEWFLOW_BENCH_PYTHON'] ?? 'python3';
  const peers: Peer[] = [];
  const missing: string[] = [];
  for (const name of scripts) {
    const script = join(folder, name);
    const args = [script, ...[size.n, size.m, size.steps, size.repeats].map(String)];
    const { status, stdout, error } = spawnSync(python, args, { encoding: 'utf8', timeout: patienceMs });
    const last = (stdout ?? '').trim().split('\n').at(-1) ?? '';
    if (status === 0 && last.startsWith('{')) peers.push(JSON.parse(last) as Peer);
    else if (!existsSync(script)) missing.push(`${name}: not among the files brought here`);
    else if (error !== undefined && 'code' in error && error.code === 'ETIMEDOUT')
      missing.push(`${name}: took more than ${patienceMs / 1000} s`);
    else missing.push(`${name}: did not run (SKEWFLOW_BENCH_PYTHON names a Python that has it)`);
  }
  return { peers, missing };
}
