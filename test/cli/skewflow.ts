/** The command line as a user has it: bin/skewflow.js over dist, built when it is older than its sources. */
import { execFile, spawn } from 'node:child_process';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isFresh, root } from '../setup/build.ts';

const lock = join(root, 'node_modules/.skewflow-build');
const script = join(root, 'bin/skewflow.js');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run one command line to its end, in `cwd`. */
export function skewflow(
  args: readonly string[],
  cwd: string,
  environment: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  const { done } = started(args, cwd, environment);
  return done;
}

/** Start a command line; `interrupt` sends it a signal. */
export function started(
  args: readonly string[],
  cwd: string,
  environment: NodeJS.ProcessEnv = {},
): {
  readonly done: Promise<Outcome>;
  readonly interrupt: (signal: NodeJS.Signals) => void;
  /** Whatever it says on stderr from now on breaks the pipe. */
  readonly deafen: () => void;
  /** Resolves when something came on stderr that matches. */
  readonly says: (pattern: RegExp) => Promise<void>;
} {
  const child = spawn(process.execPath, [script, ...args], {
    cwd,
    env: { ...process.env, SKEWFLOW_LOG: '', SKEWFLOW_THREADS: '2', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  const listeners = new Set<() => void>();
  child.stdout.on('data', (data: Buffer) => {
    stdout += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    for (const listener of listeners) listener();
  });
  return {
    done: new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stdout, stderr }));
    }),
    interrupt: (signal) => child.kill(signal),
    deafen: () => void child.stderr.destroy(),
    says: (pattern) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!pattern.test(stderr)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      }),
  };
}

/**
 * Build dist if a source is newer. Test files run side by side: one builds, the others wait for it.
 *
 * Type errors fail `npm run check`; here they only matter where nothing is built.
 */
export async function built(): Promise<void> {
  while (!(await taken(lock))) await new Promise((resolve) => setTimeout(resolve, 200));
  try {
    if (isFresh()) return;
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const build = promisify(execFile)(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
      cwd: root,
    });
    await build.catch(() => {});
  } finally {
    await rm(lock, { recursive: true });
  }
}

async function modified(path: string): Promise<number | null> {
  return stat(path).then(
    (found) => found.mtimeMs,
    () => null,
  );
}

/** Longest a build takes; an older lock was left by a process that ended. */
const lockMs = 60_000;

async function taken(folder: string): Promise<boolean> {
  const age = Date.now() - ((await modified(folder)) ?? Date.now());
  if (age > lockMs) await rm(folder, { recursive: true, force: true });
  return mkdir(folder).then(
    () => true,
    () => false,
  );
}
