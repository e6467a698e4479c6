import { createServer, type Server, type Socket } from 'node:net';
import {
  type Answer,
  type Frame,
  frameBytesMax,
  helloBytesMax,
  type KeyRotation,
  type Member,
  type Question,
} from '@shoal/gossip';
import { type Clock, type ConnectionLimits, ConnectionPlaces, type HostPort } from '@shoal/runtime';
import { Connection } from './connection.ts';
import type { GossipMetrics } from './metrics.ts';

const limits: ConnectionLimits = {
  /** Connections of other hosts. */
  provedMax: 1_024,
  /** Connections that have not yet shown that they have the key; then the oldest gives way. */
  strangersMax: 256,
  /** Connections without proof from one address; then the oldest of them gives way. */
  strangersPerAddressMax: 64,
};
/** Time that a connection has to show that it has the key, milliseconds. */
const helloMs = 5_000;
/** A connection without a question for so long is closed, milliseconds. */
const idleMs = 300_000;
/** Questions of one connection that are being answered. */
const questionsMax = 64;
/** First byte of a TLS handshake. No message of gossip is so long that its length begins with it. */
const tlsHandshake = 0x16;

export interface ListenerOptions {
  readonly keys: KeyRotation;
  readonly metrics: GossipMetrics;
  readonly clock: Clock;
  /** Told which host it is that asks. */
  readonly greeted: (member: Member) => void;
  readonly answer: (question: Question) => Promise<Answer | undefined>;
  /** Absent: such connections are closed. */
  readonly secure?: SecureConnections | undefined;
}

/** Takes over a connection that begins with a TLS handshake, with what was read of it. */
export type SecureConnections = (socket: Socket, firstBytes: Buffer) => void;

/**
 * Answers the questions of other hosts over TCP. Who has no key of the cluster gets not a byte.
 * Connections that begin with TLS are handed over as they come, and are bounded by who takes them.
 */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #places = new ConnectionPlaces<Socket>(limits);
  #server: Server | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
  }

  /** @throws the system's error. */
  async open(listen: HostPort): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: listen.host, port: listen.port }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', () => this.#options.metrics.dropped('too-many'));
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const { clock } = this.#options;
    this.#sockets.add(socket);
    this.#giveWay(this.#places.begun(socket, socket.remoteAddress ?? ''));
    const known = ({ id }: Member): void => {
      deadline.cancel();
      if (!this.#places.proved(socket, id)) this.#giveWay(socket);
    };
    const released = (): void => {
      deadline.cancel();
      this.#places.ended(socket);
      this.#sockets.delete(socket);
    };
    const deadline = clock.after(helloMs, () => socket.destroy());
    const fail = (): unknown => socket.destroy();
    socket.setTimeout(idleMs, fail);
    socket.once('close', released);
    socket.on('error', fail);
    socket.once('data', (first: Buffer) => {
      socket.pause();
      if (first[0] === tlsHandshake) {
        released();
        socket.setTimeout(0, fail);
        socket.off('close', released).off('error', fail);
        const { secure } = this.#options;
        if (secure === undefined) socket.destroy();
        else secure(socket, first);
        return;
      }
      this.#converse(socket, known);
      socket.unshift(first);
      socket.resume();
    });
  }

  #giveWay(socket: Socket | undefined): void {
    if (socket === undefined) return;
    this.#options.metrics.dropped('too-many');
    socket.destroy();
  }

  /** A connection of gossip; `known` when it has shown that it has the key. */
  #converse(socket: Socket, known: (member: Member) => void): void {
    const { keys, metrics } = this.#options;
    let isGreeted = false;
    const asked = this.#answering(() => connection);
    const connection = new Connection({
      socket,
      keys,
      metrics,
      bytesMax: () => (isGreeted ? frameBytesMax : helloBytesMax),
      received: (frame) => {
        if (isGreeted) return asked(frame);
        if (frame.kind !== 'hello') return false;
        isGreeted = true;
        known(frame.self);
        this.#options.greeted(frame.self);
        return true;
      },
      closed: () => undefined,
    });
  }

  #answering(connection: () => Connection): (frame: Frame) => boolean {
    let answering = 0;
    return (frame) => {
      if (frame.kind !== 'question') return false;
      if (answering >= questionsMax) {
        this.#options.metrics.dropped('too-many');
        return false;
      }
      answering += 1;
      const { sequence, question } = frame;
      const done = (answer: Answer | undefined): void => {
        answering -= 1;
        if (answer !== undefined) connection().send({ kind: 'answer', sequence, answer });
      };
      // What fails here is for the asker as if it had not been reached.
      void this.#options.answer(question).then(done, () => done(undefined));
      return true;
    };
  }
}
