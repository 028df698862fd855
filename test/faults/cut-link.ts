/**
 * How is a link cut without a word, or made long? A relay in front of a server that stops passing bytes on and takes none from
 * anybody, or passes them on a while later.
 */
import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';

export interface CutLink extends AsyncDisposable {
  /** Where the server is reached through the link. */
  readonly url: string;
  /** Nothing passes any more, in either direction; nobody is told. */
  readonly cut: () => void;
  /** Connections that were cut stay so; new ones pass. */
  readonly mend: () => void;
}

/**
 * A link to a port of this machine.
 *
 * @param delayMs - how much later everything arrives, in either direction
 */
export async function cutLink(port: number, delayMs = 0): Promise<CutLink> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const relay = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    if (isCut) silence(near, far);
    else if (delayMs === 0) near.pipe(far).pipe(near);
    else near.setNoDelay().pipe(late(delayMs)).pipe(far.setNoDelay()).pipe(late(delayMs)).pipe(near);
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const address = relay.address();
  const own = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `redis://127.0.0.1:${own}`,
    cut: () => {
      isCut = true;
      silence(...sockets);
    },
    mend: () => {
      isCut = false;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => relay.close(resolve));
    },
  };
}

function silence(...sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.unpipe().pause();
}

/** Timers of one length keep their order, so bytes do. */
function late(delayMs: number): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      setTimeout(() => this.push(chunk), delayMs);
      done();
    },
    flush(done) {
      setTimeout(done, delayMs);
    },
  });
}
