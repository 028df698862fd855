/**
 * How do a supervisor and its compute child reach each other? By one socket, whose end means that the other is gone.
 *
 * What is said in one turn of the event loop travels together: a wave of a GPU ends with hundreds of small answers, and each
 * would be packed, written and read by itself. Node's own channel between processes copies what it carries five times on the
 * way: five megabytes of sources took 30 ms, here they take 2 (Node 20, two cores; `npm run bench:calls`).
 */
import { type ConnectOpts, Socket, type SocketConstructorOpts } from 'node:net';
import { type Frame, FrameReader, frameOf, type Message } from './frames.ts';

/** The child's end of the socket: the first descriptor after the three streams. */
export const channelDescriptor = 3;

export interface ChannelListener {
  readonly frame: (frame: Frame) => void;
  /** The other end is gone. */
  readonly closed: () => void;
}

export class Channel<Header> {
  readonly #socket: Socket;
  #untold: Message<Header>[] = [];

  private constructor(socket: Socket, { closed }: ChannelListener) {
    this.#socket = socket;
    // Who is gone is known by its exit.
    socket.on('error', () => {});
    socket.on('close', closed);
  }

  /** The end of a supervisor, from the streams of its child. */
  static ofChild<Header>(socket: Socket, listener: ChannelListener): Channel<Header> {
    const reader = new FrameReader(listener.frame);
    socket.on('data', (bytes: Uint8Array) => reader.take(bytes));
    return new Channel(socket, listener);
  }

  /** The end of this process, which is a child. */
  static ofThisProcess<Header>(listener: ChannelListener): Channel<Header> {
    const reader = new FrameReader(listener.frame);
    // The constructor takes `onread`, too (Node, _Net_, `new net.Socket`); the types of Node 20 forget it.
    const options: SocketConstructorOpts & ConnectOpts = {
      fd: channelDescriptor,
      readable: true,
      writable: true,
      onread: {
        buffer: () => reader.room(),
        callback: (bytes) => {
          reader.filled(bytes);
          return true;
        },
      },
    };
    const socket = new Socket(options);
    return new Channel(socket, listener);
  }

  /** Arrays must stay as they are until the other has answered: large ones are written from where they lie. */
  send(message: Message<Header>): void {
    if (this.#untold.length === 0) process.nextTick(() => this.#tellAll());
    this.#untold.push(message);
  }

  #tellAll(): void {
    const pieces = frameOf(this.#untold);
    this.#untold = [];
    if (!this.#socket.writable) return;
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }
}
