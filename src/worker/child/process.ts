/**
 * How is a compute child started and spoken to? A process of its own with an IPC channel; what it prints is kept, not shown.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../../config.ts';
import { decodeFromChild, encode, type FromChild, type Message, type ToChild } from './messages.ts';

export interface ChildListener {
  readonly message: (message: Message<FromChild>) => void;
  /** Called once. */
  readonly ended: (exitCode: number | null, signal: string | null) => void;
}

export interface RunningChild {
  readonly pid: number | undefined;
  readonly send: (message: Message<ToChild>) => void;
  readonly kill: () => void;
  /** Whether it keeps this process alive: while something is asked of it. */
  readonly hold: (held: boolean) => void;
  /** The last it printed, on either stream: drivers say there why they die. */
  readonly said: () => string;
}

const stderrDescriptor = 2;
/** The first descriptor after the three streams and the channel. */
const traceDescriptor = 4;
/** Characters of a child's output that are kept. */
const keptCharacters = 2000;

/** Variables that a child does not inherit. */
const secrets = {
  AWS_ACCESS_KEY_ID: undefined,
  AWS_SECRET_ACCESS_KEY: undefined,
  AWS_SESSION_TOKEN: undefined,
  REDIS_URL: undefined,
  SKEWFLOW_REDIS_PASSWORD_FILE: undefined,
} as const;

export function startChild(environment: NodeJS.ProcessEnv, listener: ChildListener): RunningChild {
  const [entry, execArgv] = childEntry();
  // Its threads write to our own stderr what `trace` asks for: what goes through this process is late, or lost with it.
  const traces = readConfig(process.env).logLevel === 'trace';
  const trace = traces ? { SKEWFLOW_TRACE_FD: String(traceDescriptor) } : {};
  const child = fork(entry, [], {
    // It has no business with Redis and storage, and whoever reads its environment does not either.
    env: { ...process.env, ...secrets, ...trace, ...environment },
    execArgv,
    serialization: 'advanced',
    // stdout is for data, and Dawn prints there.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...(traces ? [stderrDescriptor] : [])],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => {
      said = `${said}${data.toString()}`.slice(-keptCharacters);
    });
  }
  let ended = false;
  const end = (exitCode: number | null, signal: string | null): void => {
    if (ended) return;
    ended = true;
    listener.ended(exitCode, signal);
  };
  child.on('message', (received) => {
    for (const message of decodeFromChild(received)) if (!ended) listener.message(message);
  });
  child.on('exit', end);
  // It could not be started, or not be sent something: the latter ends with its exit.
  child.on('error', (error) => {
    said = `${said}${error.message}\n`.slice(-keptCharacters);
    if (child.pid === undefined) end(null, null);
  });
  return {
    pid: child.pid,
    send: (message) => {
      if (child.connected) child.send(encode([message]) as never, () => {});
    },
    kill: () => {
      // Whoever kills waits for the end.
      hold(child, true);
      child.kill('SIGKILL');
    },
    hold: (held) => hold(child, held),
    said: () => said.trim(),
  };
}

function hold(child: ChildProcess, held: boolean): void {
  if (held) child.ref();
  else child.unref();
  const { channel } = child;
  if (held) channel?.ref();
  else channel?.unref();
  for (const stream of [child.stdout, child.stderr]) {
    // A pipe is a socket, whose type the streams of a child do not say.
    const socket = stream as unknown as { readonly ref: () => void; readonly unref: () => void } | null;
    if (held) socket?.ref();
    else socket?.unref();
  }
}

/** From the built package the host starts by itself; TypeScript sources need a loader. */
function childEntry(): readonly [string, string[]] {
  if (!import.meta.url.endsWith('.ts')) return [fileURLToPath(new URL('./host.js', import.meta.url)), []];
  return [fileURLToPath(new URL('./host.ts', import.meta.url)), ['--import', import.meta.resolve('tsx')]];
}
