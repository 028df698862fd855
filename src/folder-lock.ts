/**
 * Does another run write to this folder? A file beside it says who does; one whose process is gone says nothing.
 *
 * Two runs of one optimisation would take up, and overwrite, each other's checkpoints.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, SkewflowError, unwritable } from './errors.ts';

/** Who holds a lock. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  /** When the process began, as its system tells: a number may be given to another process. null: it does not tell. */
  readonly begun: string | null;
  /** Of two locks of one process. */
  readonly token: string;
}

/** Tokens of the locks that this process holds. */
const ours = new Set<string>();

/** Tries to take a lock that others take and leave. */
const triesMax = 20;

/**
 * Hold the lock of a folder until it is disposed of, or the process ends.
 *
 * @param target - the folder; it need not be there, but what it is to be in must
 * @throws UsageError when another process, here or elsewhere, holds it
 */
export async function lockFolder(target: string): Promise<AsyncDisposable> {
  const full = resolve(target);
  const path = join(dirname(full), `.${basename(full)}.lock`);
  const token = randomUUID();
  const holder: Holder = { host: hostname(), pid: process.pid, begun: begunAt(process.pid), token };
  const text = JSON.stringify(holder);
  for (let tries = 0; !(await made(path, text)); tries++) {
    const found = await readFile(path, 'utf8').catch(() => null);
    if (found === null) continue;
    if (tries >= triesMax || holds(found)) throw held(target, path, found);
    await removeStale(path, found);
  }
  ours.add(token);
  const release = (): void => rmSync(path, { force: true });
  process.once('exit', release);
  return {
    [Symbol.asyncDispose]: async () => {
      process.off('exit', release);
      ours.delete(token);
      await rm(path, { force: true });
    },
  };
}

/** Whether the file was made, by us, with all of its text; false: there is one. */
async function made(path: string, text: string): Promise<boolean> {
  // A file that is linked to its name is never seen without its text.
  const temporary = `${path}.${randomUUID()}.partial`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    await link(temporary, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw error;
      // Not every file system has links.
      const direct = await open(path, 'wx');
      await direct.writeFile(text);
      await direct.close();
    });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw unwritable(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Whether whoever wrote this still runs, as far as can be told from here. */
function holds(text: string): boolean {
  const { host, pid, begun, token } = parsed(text);
  // What is torn was being written when its machine lost power.
  if (host === undefined || pid === undefined) return false;
  if (host !== hostname()) return true;
  if (pid === process.pid && begun === begunAt(pid)) return ours.has(token ?? '');
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    if (codeOf(error) === 'ESRCH') return false;
  }
  return begun === null || begun === undefined || begun === begunAt(pid);
}

/** Several may find the same stale lock: only what was found is removed, not what somebody else has put there since. */
async function removeStale(path: string, found: string): Promise<void> {
  const aside = `${path}.${randomUUID()}.stale`;
  const moved = await rename(path, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  const text = await readFile(aside, 'utf8').catch(() => null);
  if (text !== found) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

/** Field 22 of /proc/<pid>/stat; the second, the name, is in brackets and may hold anything. */
function begunAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function parsed(text: string): Partial<Holder> {
  try {
    return JSON.parse(text) as Partial<Holder>;
  } catch {
    return {};
  }
}

function held(target: string, path: string, text: string): SkewflowError {
  const { host = 'another machine', pid = 0 } = parsed(text);
  const here = host === hostname();
  const remedy = here ? '' : `; if that process is gone, remove ${path}`;
  return new SkewflowError(
    'UsageError',
    `${target}: another run writes there, process ${pid} on ${host}: wait for it, or choose another folder with \`--out\`${remedy}`,
    { pid, host },
  );
}
