/** How is a disk full for one process, and for nobody else? A file system of its own, in a mount namespace of its own. */
import { execFileSync } from 'node:child_process';

/** What a command runs under to see nothing but a full file system in this folder, which is there when it starts. */
export function withFullDisk(folder: string): readonly string[] {
  const fill = 'mount -t tmpfs -o size=4k tmpfs "$0" && head -c 4096 /dev/zero > "$0/filler" && exec "$@"';
  return [...namespace(), 'sh', '-c', fill, folder];
}

/** There is room for one more page on that disk of a process. */
export function growByOnePage(pid: number, folder: string): void {
  const into = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--preserve-credentials', '--mount'];
  execFileSync('nsenter', ['--target', `${pid}`, ...into, 'mount', '-o', 'remount,size=8k', folder]);
}

/** Why no process can have such a disk here; null: one can. */
export function noSmallDisks(): string | null {
  if (process.platform !== 'linux') return 'there are mount namespaces on Linux only';
  const [command = '', ...rest] = namespace();
  try {
    execFileSync(command, [...rest, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'a mount namespace needs root, or a kernel that lets users have namespaces';
  }
}

/** Who is not root is root of a user namespace, where the kernel allows that. */
function namespace(): readonly string[] {
  return process.getuid?.() === 0
    ? ['unshare', '--mount']
    : ['unshare', '--user', '--map-root-user', '--mount'];
}
