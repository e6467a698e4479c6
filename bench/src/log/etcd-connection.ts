import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  type CallTemplate,
  encodeFrame,
  type Frame,
  flags,
  frameTypes,
  opening,
  splitFrames,
} from './http2-frames.ts';

interface Waiting {
  answered: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Most calls under way at once: their bytes must fit into the window the server opens with. */
const callsMax = 100;

/** One connection to etcd, with many calls at once. */
export class EtcdConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #stream = -1;
  #rest = Buffer.alloc(0);
  #outgoing: Buffer[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#received(bytes));
    socket.on('error', (error) => this.#failed(error.message));
    socket.on('close', () => this.#failed('etcd closed the connection'));
    socket.write(opening());
  }

  static async open(port: number): Promise<EtcdConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new EtcdConnection(socket);
  }

  /** Resolves when etcd has answered with a message. */
  call(template: CallTemplate): Promise<void> {
    if (this.#waiting.size >= callsMax) throw new Error(`${callsMax} calls wait already`);
    this.#stream += 2;
    const stream = this.#stream;
    // What is asked in one turn leaves together.
    if (this.#outgoing.length === 0) queueMicrotask(() => this.#flush());
    this.#outgoing.push(template.call(stream));
    return new Promise((resolve, reject) =>
      this.#waiting.set(stream, { answered: false, resolve, reject }),
    );
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#outgoing);
    this.#outgoing = [];
    this.#socket.write(bytes);
  }

  #received(bytes: Buffer): void {
    const { frames, rest } = splitFrames(
      this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]),
    );
    this.#rest = Buffer.from(rest);
    for (const frame of frames) this.#take(frame);
  }

  #take({ type, flags: flag, stream, payload }: Frame): void {
    const waiting = this.#waiting.get(stream);
    if (type === frameTypes.settings && (flag & flags.ack) === 0)
      this.#socket.write(encodeFrame(type, flags.ack, 0, Buffer.alloc(0)));
    else if (type === frameTypes.ping && (flag & flags.ack) === 0)
      this.#socket.write(encodeFrame(type, flags.ack, 0, payload));
    else if (type === frameTypes.goAway) this.#failed('etcd ends the connection');
    else if (type === frameTypes.reset) this.#end(stream, false);
    if (waiting === undefined) return;
    if (type === frameTypes.data && payload.length > 0) waiting.answered = true;
    const ends = type === frameTypes.headers || type === frameTypes.data;
    if (ends && (flag & flags.endStream) !== 0) this.#end(stream, waiting.answered);
  }

  /** A call that failed has trailers and no message. */
  #end(stream: number, answered: boolean): void {
    const waiting = this.#waiting.get(stream);
    this.#waiting.delete(stream);
    if (answered) waiting?.resolve();
    else waiting?.reject(new Error('etcd refused a put'));
  }

  #failed(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
  }
}
