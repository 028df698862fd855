/**
 * How is a compute child started and spoken to? A process of its own with a channel; what it prints is kept, not shown.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../../config.ts';
import { Channel, channelDescriptor } from './channel.ts';
import type { Frame, Message } from './frames.ts';
import { decodeFromChild, type FromChild, type ToChild } from './messages.ts';

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
const traceDescriptor = channelDescriptor + 1;
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
  const child = spawn(process.execPath, [...execArgv, entry], {
    // It has no business with Redis and storage, and whoever reads its environment does not either.
    env: { ...process.env, ...secrets, ...trace, ...environment },
    // stdout is for data, and Dawn prints there; the last is the channel.
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', ...(traces ? [stderrDescriptor] : [])],
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
  /** What a child that went mad says must not end this process: the child ends, and its story says why. */
  const understood = (frame: Frame): readonly Message<FromChild>[] => {
    try {
      return decodeFromChild(frame);
    } catch (error) {
      said = `${said}${error instanceof Error ? error.message : String(error)}\n`.slice(-keptCharacters);
      child.kill('SIGKILL');
      return [];
    }
  };
  // A process that cannot be started may have none.
  const socket = child.stdio[channelDescriptor];
  const channel =
    socket instanceof Socket
      ? Channel.ofChild<ToChild>(socket, {
          frame: (frame) => {
            for (const message of understood(frame)) if (!ended) listener.message(message);
          },
          closed: () => {},
        })
      : null;
  child.on('exit', end);
  // It could not be started, or not be sent something: the latter ends with its exit.
  child.on('error', (error) => {
    said = `${said}${error.message}\n`.slice(-keptCharacters);
    if (child.pid === undefined) end(null, null);
  });
  return {
    pid: child.pid,
    send: (message) => channel?.send(message),
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
  for (const stream of child.stdio) {
    // A pipe is a socket, whose type the streams of a child do not say.
    if (!(stream instanceof Socket)) continue;
    if (held) stream.ref();
    else stream.unref();
  }
}

/** From the built package the host starts by itself; TypeScript sources need a loader. */
function childEntry(): readonly [string, string[]] {
  if (!import.meta.url.endsWith('.ts')) return [fileURLToPath(new URL('./host.js', import.meta.url)), []];
  return [fileURLToPath(new URL('./host.ts', import.meta.url)), ['--import', import.meta.resolve('tsx')]];
}
