import type { Socket } from 'node:net';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameSplitter,
  frameBytesMax,
  frameHead,
  type KeyRotation,
} from '@shoal/gossip';
import type { GossipMetrics } from './metrics.ts';

/** Bytes that wait to be written; who does not read does not get more. */
const unwrittenBytesMax = 2 * frameBytesMax;

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly keys: KeyRotation;
  readonly metrics: GossipMetrics;
  /** Longest message that is taken now, bytes. */
  readonly bytesMax: () => number;
  /** False: the connection is no good. */
  readonly received: (frame: Frame) => boolean;
  readonly closed: () => void;
}

/** Sealed messages over one TCP connection, either end of it. One bad message ends it without a word. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #splitter = new FrameSplitter();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket, closed } = options;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', closed);
  }

  /** False when it is not sent. */
  send(frame: Frame): boolean {
    const { socket, keys, metrics } = this.#options;
    const sealed = keys.seal(encodeFrame(frame));
    const isFull = socket.writableLength > unwrittenBytesMax;
    if (sealed === undefined || sealed.length > frameBytesMax || isFull || !socket.writable) {
      metrics.dropped('unsent');
      return false;
    }
    metrics.sent('tcp', sealed.length);
    socket.cork();
    socket.write(frameHead(sealed.length));
    socket.write(sealed);
    socket.uncork();
    return true;
  }

  /** Grows with whatever comes, also of a message that is not whole yet. */
  get bytesRead(): number {
    return this.#options.socket.bytesRead;
  }

  end(): void {
    this.#options.socket.destroy();
  }

  #read(chunk: Buffer): void {
    const { bytesMax, socket } = this.#options;
    this.#splitter.push(chunk);
    while (!socket.destroyed) {
      const message = this.#splitter.next(bytesMax());
      if (message === undefined) return;
      if (message === 'too-long' || !this.#take(message)) {
        socket.destroy();
        return;
      }
    }
  }

  #take(message: Buffer): boolean {
    const { keys, metrics, received } = this.#options;
    metrics.received('tcp', message.length);
    const opened = keys.open(message);
    if (opened === undefined) {
      metrics.dropped('foreign');
      return false;
    }
    const frame = decodeFrame(opened);
    if (frame === undefined) metrics.dropped('malformed');
    return frame !== undefined && received(frame);
  }
}
