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
import type { Clock, HostPort } from '@shoal/runtime';
import { Connection } from './connection.ts';
import type { GossipMetrics } from './metrics.ts';

/** Connections of other hosts. */
const connectionsMax = 1_024;
/** Of these, the ones that have not yet shown that they have the key. */
const strangersMax = 64;
/** Time to show it, milliseconds. */
const helloMs = 5_000;
/** A connection without a question for so long is closed, milliseconds. */
const idleMs = 300_000;
/** Questions of one connection that are being answered. */
const questionsMax = 64;

export interface ListenerOptions {
  readonly keys: KeyRotation;
  readonly metrics: GossipMetrics;
  readonly clock: Clock;
  /** Who it is that asks. */
  readonly greeted: (member: Member) => void;
  readonly answer: (question: Question) => Promise<Answer | undefined>;
}

/** Answers the questions of other hosts over TCP. Who has no key of the cluster gets not a byte. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<Socket>();
  #strangers = 0;
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
    const { keys, metrics, clock } = this.#options;
    if (this.#sockets.size >= connectionsMax || this.#strangers >= strangersMax) {
      metrics.dropped('too-many');
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#strangers += 1;
    let isGreeted = false;
    const known = (): void => {
      if (!isGreeted) this.#strangers -= 1;
      isGreeted = true;
      deadline.cancel();
    };
    const deadline = clock.after(helloMs, () => socket.destroy());
    socket.setTimeout(idleMs, () => socket.destroy());
    const asked = this.#answering(() => connection);
    const connection = new Connection({
      ...{ socket, keys, metrics },
      bytesMax: () => (isGreeted ? frameBytesMax : helloBytesMax),
      received: (frame) => {
        if (isGreeted) return asked(frame);
        if (frame.kind !== 'hello') return false;
        known();
        this.#options.greeted(frame.self);
        return true;
      },
      closed: () => {
        known();
        this.#sockets.delete(socket);
      },
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
