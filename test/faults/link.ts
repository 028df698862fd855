/**
 * Which links can be cut without a word? A relay in front of a server that passes nothing on any more, and, where the machine
 * allows it, a network of its own whose one cable is pulled.
 */
import { execFileSync } from 'node:child_process';
import { cutLink } from './cut-link.ts';

export interface Link extends AsyncDisposable {
  /** Where the server is reached through the link. */
  readonly url: string;
  /** What a command runs under to have no other way. */
  readonly under: readonly string[];
  /** Options that a command needs there. */
  readonly options: readonly string[];
  /** Nothing passes any more, in either direction; nobody is told. */
  readonly cut: () => void;
  readonly mend: () => void;
}

/** A link through this process; what was connected when it was cut stays cut. */
export async function relayTo(port: number): Promise<Link> {
  const relay = await cutLink(port);
  return { ...relay, under: [], options: [] };
}

let made = 0;

/** A link through a network namespace: packets are lost, connections survive if TCP lets them. */
export async function namespaceTo(port: number): Promise<Link> {
  made += 1;
  const name = `skewflow-${process.pid}-${made}`;
  const [near, far] = [`sf${process.pid}n${made}`, `sf${process.pid}f${made}`];
  // 198.18.0.0/15 is nobody's: it is set aside for measurements (RFC 2544).
  const network = `198.18.${process.pid % 256}.${(4 * made) % 256}`;
  const [host, guest] = [1, 2].map((n) => network.replace(/\d+$/, (last) => String(Number(last) + n)));
  ip('netns', 'add', name);
  ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name);
  ip('addr', 'add', `${host}/30`, 'dev', near);
  ip('link', 'set', near, 'up');
  ip('-n', name, 'addr', 'add', `${guest}/30`, 'dev', far);
  ip('-n', name, 'link', 'set', far, 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  return {
    url: `redis://${host}:${port}`,
    under: ['nsenter', `--net=/run/netns/${name}`],
    options: ['--insecure'],
    cut: () => ip('link', 'set', near, 'down'),
    mend: () => ip('link', 'set', near, 'up'),
    // Its end of the cable goes with it.
    [Symbol.asyncDispose]: async () => ip('netns', 'del', name),
  };
}

/** Settings of a Redis that is reached from a namespace. */
export const open = { bind: '*', 'protected-mode': 'no' } as const;

/** Why no namespace can be made here; null: one can. */
export function noNamespaces(): string | null {
  if (process.platform !== 'linux') return 'there are network namespaces on Linux only';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const name = `skewflow-${process.pid}-try`;
  try {
    ip('netns', 'add', name);
    execFileSync('nsenter', [`--net=/run/netns/${name}`, 'true'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'network namespaces need iproute2 and the right to make them';
  } finally {
    try {
      ip('netns', 'del', name);
    } catch {
      // It was not made.
    }
  }
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: 'ignore' });
}
