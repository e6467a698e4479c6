import { connect } from 'node:net';
import type { Answer, KeyRotation, Member, Question } from '@shoal/gossip';
import { frameBytesMax } from '@shoal/gossip';
import { type Clock, formatHostPort, type HostPort, type Timer } from '@shoal/runtime';
import { Connection } from './connection.ts';
import type { GossipMetrics } from './metrics.ts';

/** Connections to other hosts that are kept; of more, the one that was not used for longest goes. */
const connectionsMax = 256;
/** A connection is closed after so long without use, milliseconds. */
const idleMs = 60_000;
/** Questions to one host that wait for an answer. */
const questionsMax = 64;
/** Wait for an answer, milliseconds. */
const answerMs: Readonly<Record<Question['kind'], number>> = {
  reach: 2_000,
  // Who is asked waits itself, up to 2 s, for those who serve there. Else slow hosts would look cut off.
  push: 4_000,
  members: 10_000,
  digests: 10_000,
  records: 10_000,
};

export interface ConnectionsOptions {
  readonly keys: KeyRotation;
  readonly metrics: GossipMetrics;
  readonly clock: Clock;
  /** This host as it introduces itself. */
  readonly self: () => Member;
}

interface Waiting {
  readonly timer: Timer;
  readonly resolve: (answer: Answer | undefined) => void;
}

interface Open {
  readonly connection: Connection;
  readonly waiting: Map<number, Waiting>;
}

/** Asks other hosts over TCP connections that are kept for a while. */
export class Connections {
  readonly #options: ConnectionsOptions;
  /** In the order of their last use. */
  readonly #open = new Map<string, Open>();
  #sequence = 0;
  #closed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Asks another host; undefined when it cannot be reached, or gives no answer in time. */
  ask(to: HostPort, question: Question): Promise<Answer | undefined> {
    const { keys, clock } = this.#options;
    if (this.#closed || !keys.hasKeys) return Promise.resolve(undefined);
    const open = this.#to(to);
    if (open.waiting.size >= questionsMax) return Promise.resolve(undefined);
    this.#sequence = (this.#sequence + 1) >>> 0;
    const sequence = this.#sequence;
    const { bytesRead } = open.connection;
    return new Promise((resolve) => {
      const end = (answer: Answer | undefined): void => {
        open.waiting.delete(sequence);
        timer.cancel();
        resolve(answer);
      };
      const timer = clock.after(answerMs[question.kind], () => {
        const [longest] = open.waiting.keys();
        end(undefined);
        // What was asked later may wait behind a long message that is still on its way.
        if (longest === sequence && open.connection.bytesRead === bytesRead) this.#drop(to, open);
      });
      open.waiting.set(sequence, { timer, resolve: end });
      if (!open.connection.send({ kind: 'question', sequence, question })) end(undefined);
    });
  }

  close(): void {
    this.#closed = true;
    for (const { connection } of this.#open.values()) connection.end();
  }

  #to(to: HostPort): Open {
    const key = formatHostPort(to);
    const known = this.#open.get(key);
    if (known !== undefined) {
      this.#open.delete(key);
      this.#open.set(key, known);
      return known;
    }
    if (this.#open.size >= connectionsMax) this.#closeOldest();
    const open = this.#connect(to, () => {
      if (this.#open.get(key) === open) this.#open.delete(key);
    });
    this.#open.set(key, open);
    return open;
  }

  /** A line that was cut: the kernel would try for minutes, and the host may long be heard again. */
  #drop(to: HostPort, open: Open): void {
    const key = formatHostPort(to);
    if (this.#open.get(key) === open) this.#open.delete(key);
    open.connection.end();
  }

  #connect(to: HostPort, closed: () => void): Open {
    const { keys, metrics, self } = this.#options;
    const socket = connect({ host: to.host, port: to.port });
    const waiting: Open['waiting'] = new Map();
    socket.setTimeout(idleMs, () => socket.destroy());
    const connection = new Connection({
      socket,
      keys,
      metrics,
      bytesMax: () => frameBytesMax,
      received: (frame) => {
        if (frame.kind !== 'answer') return false;
        waiting.get(frame.sequence)?.resolve(frame.answer);
        return true;
      },
      closed: () => {
        closed();
        for (const { resolve } of [...waiting.values()]) resolve(undefined);
      },
    });
    connection.send({ kind: 'hello', self: self() });
    return { connection, waiting };
  }

  #closeOldest(): void {
    for (const [key, { connection, waiting }] of this.#open) {
      if (waiting.size > 0) continue;
      this.#open.delete(key);
      connection.end();
      return;
    }
  }
}
