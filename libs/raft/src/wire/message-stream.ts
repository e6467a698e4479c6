import { EventEmitter } from 'node:events';
import { errorMessage } from '@shoal/runtime';
import type { FramedSocket } from './framed-socket.ts';

/** What a stream tells. */
export interface StreamEvents<In> {
  /** The voter has accepted the stream; on the client's side only. */
  open: [];
  data: [message: In];
  /** There is room again after a write that found none. */
  drain: [];
  /** The other side has ended it in order. */
  end: [];
  /** It broke; on the client's side. */
  error: [error: Error];
  /** It broke; on the voter's side, where nothing is to be done about it. */
  cancelled: [];
  /** Last of all, however it ended. */
  close: [];
}

/** A stream of messages to and from a voter. */
export interface MessageStream<Out, In> extends EventEmitter<StreamEvents<In>> {
  /** Whether there is room for more; otherwise `drain` follows. `written`: the operating system has it. */
  write(message: Out, written?: () => void): boolean;
  pause(): unknown;
  resume(): unknown;
  /** After what was written. */
  end(): unknown;
  /** At once; nothing but `close` is told any more. */
  cancel(): void;
}

/** How messages become bytes. `decode` throws for what is none. */
export interface Codec<Out, In> {
  encode(message: Out): Uint8Array;
  decode(bytes: Buffer): In;
}

/** Typed messages over one connection. */
export class FramedStream<Out, In>
  extends EventEmitter<StreamEvents<In>>
  implements MessageStream<Out, In>
{
  readonly #socket: FramedSocket;
  readonly #codec: Codec<Out, In>;

  constructor(socket: FramedSocket, side: 'client' | 'server', codec: Codec<Out, In>) {
    super();
    this.#socket = socket;
    this.#codec = codec;
    socket.user = {
      message: (bytes) => this.#received(bytes),
      drained: () => this.emit('drain'),
      closed: (reason) => {
        if (reason === undefined) this.emit('end');
        else if (side === 'server') this.emit('cancelled');
        else this.emit('error', new Error(reason));
        this.emit('close');
      },
    };
  }

  write(message: Out, written?: () => void): boolean {
    return this.#socket.write(this.#codec.encode(message), written);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  cancel(): void {
    this.#socket.destroy();
    this.emit('close');
  }

  /** At once, as if the connection had broken. */
  fail(reason: string): void {
    this.#socket.destroy(reason);
  }

  #received(bytes: Buffer): void {
    let message: In;
    try {
      message = this.#codec.decode(bytes);
    } catch (error) {
      this.#socket.destroy(`not a message: ${errorMessage(error)}`);
      return;
    }
    this.emit('data', message);
  }
}
