import type { Socket } from 'node:net';
import { type Clock, errorMessage, type Timer } from '@shoal/runtime';
import { FrameReader, framesOf, lengthBytes, messageBytesMax } from './frames.ts';

/** A client gives a sign of life so often, milliseconds; the server answers each. */
export const signOfLifeMs = 2_000;
/** Times {@link signOfLifeMs} without a byte from the other side before it is given up. */
export const silentTimesMax = 2;
/** Bytes that wait to be sent; with more, the writer is told to wait. */
export const unsentBytesMax = 256 * 1024;

/** Who uses a connection; what is called may be replaced while it stands. */
export interface SocketUser {
  message(bytes: Buffer): void;
  /** There is room again after a write that found none. */
  drained(): void;
  /** Called once, with why it ended; undefined: the other side has ended it in order. */
  closed(reason: string | undefined): void;
}

/** The user of a connection that nobody listens to any more. */
export const nobody: SocketUser = {
  message: () => undefined,
  drained: () => undefined,
  closed: () => undefined,
};
const signOfLife = Buffer.alloc(0);

/**
 * One connection as a stream of messages, on either side. What is written in one turn of the loop leaves
 * together; a side that falls silent is given up.
 */
export class FramedSocket {
  readonly #socket: Socket;
  readonly #side: 'client' | 'server';
  readonly #clock: Clock;
  readonly #reader: FrameReader;
  #unsent: Uint8Array[] = [];
  #written: (() => void)[] = [];
  #unsentBytes = 0;
  #isFull = false;
  #flushing = false;
  #paused = false;
  /** Before that nothing is sent: the other side has not proved anything yet. */
  #secure: boolean;
  #heard = true;
  #silentTimes = 0;
  #life: Timer | undefined;
  #ended = false;
  #closed = false;
  user = nobody;

  /** A server's socket has had its handshake; a client's tells by {@link secured}. */
  constructor(socket: Socket, side: 'client' | 'server', clock: Clock, bytesMax: number) {
    this.#socket = socket;
    this.#side = side;
    this.#clock = clock;
    this.#reader = new FrameReader(bytesMax);
    this.#secure = side === 'server';
    let ended = false;
    let broken: string | undefined;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('end', () => {
      ended = true;
    });
    socket.on('error', (error) => {
      broken = errorMessage(error);
    });
    socket.on('close', () =>
      this.#close(broken ?? (ended ? undefined : 'the connection was closed')),
    );
    this.#watchLife();
  }

  /** From now on messages of every size are taken. */
  takeAll(): void {
    this.#reader.messageBytesMax = messageBytesMax;
  }

  /** The other side has proved itself: what was written so far leaves. */
  secured(): void {
    this.#secure = true;
    this.#flushSoon();
  }

  /** Whether there is room for more. `written`: the operating system has it. */
  write(message: Uint8Array, written?: () => void): boolean {
    if (this.#ended || this.#closed) return true;
    this.#unsent.push(message);
    this.#unsentBytes += lengthBytes + message.length;
    if (written !== undefined) this.#written.push(written);
    this.#flushSoon();
    this.#isFull ||= this.#unsentBytes > unsentBytesMax;
    return !this.#isFull;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    this.#deliver();
  }

  /** Sends what was written and ends the connection; who does not take it is given up like one who is silent. */
  end(): void {
    this.#flush();
    this.#ended = true;
    this.#socket.destroySoon();
  }

  /** Ends the connection at once; its user is told why, unless there is no reason to. */
  destroy(reason?: string): void {
    if (reason === undefined) this.user = nobody;
    this.#close(reason);
    this.#socket.destroy();
  }

  #close(reason: string | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#life?.cancel();
    this.#unsent = [];
    this.#written = [];
    const { user } = this;
    this.user = nobody;
    user.closed(reason);
  }

  #received(chunk: Buffer): void {
    this.#heard = true;
    this.#reader.push(chunk);
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#paused && !this.#closed) {
      const message = this.#reader.next();
      if (message === 'incomplete') return;
      if (message === 'too-large') this.destroy('a message that is too large was announced');
      else if (message.length > 0) this.user.message(message);
      // Who does not read the answers is not heaped with them.
      else if (this.#side === 'server' && !this.#isFull) this.write(signOfLife);
    }
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#secure || this.#closed || this.#unsent.length === 0) return;
    const written = this.#written;
    const frames = framesOf(this.#unsent);
    this.#unsent = [];
    this.#written = [];
    this.#socket.write(frames, () => {
      this.#unsentBytes -= frames.length;
      if (this.#closed) return;
      for (const told of written) told();
      if (!this.#isFull || this.#unsentBytes > unsentBytesMax) return;
      this.#isFull = false;
      this.user.drained();
    });
  }

  #watchLife(): void {
    this.#life = this.#clock.after(signOfLifeMs, () => {
      // Who does not listen must not blame the other side for silence.
      this.#silentTimes = this.#heard || this.#paused ? 0 : this.#silentTimes + 1;
      this.#heard = false;
      if (this.#silentTimes >= silentTimesMax) {
        this.destroy('the other side is silent');
        return;
      }
      if (this.#side === 'client' && this.#secure) this.write(signOfLife);
      this.#watchLife();
    });
  }
}
