import type { Clock } from '@shoal/runtime';
import type { Envelope, Message } from '../core/messages.ts';
import type { Arrivals, Transport } from '../node/transport.ts';
import type { Member, VoterId } from '../types.ts';

/** Delivers after a fixed delay on a clock; voters can be cut off. */
export class FakeNetwork {
  readonly #arrivals = new Map<VoterId, Arrivals>();
  readonly #members = new Map<VoterId, readonly Member[]>();
  readonly #cut = new Set<VoterId>();
  /** Messages handed over so far, by kind. */
  readonly sent = new Map<Message['kind'], number>();
  readonly #clock: Clock;
  readonly #delayMs: number;

  constructor(clock: Clock, delayMs = 1) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  cut(id: VoterId): void {
    this.#cut.add(id);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Whom this voter's transport was last told to reach. */
  membersOf(id: VoterId): readonly Member[] | undefined {
    return this.#members.get(id);
  }

  transport(id: VoterId): Transport {
    return {
      start: (arrivals) => {
        this.#arrivals.set(id, arrivals);
      },
      members: (members) => {
        this.#members.set(id, members);
      },
      send: (envelope, content) => this.#send(envelope, content && [...content]),
      stop: async () => {
        this.#arrivals.delete(id);
      },
    };
  }

  #send({ from, to, message }: Envelope, content: readonly Uint8Array[] | undefined): void {
    this.sent.set(message.kind, (this.sent.get(message.kind) ?? 0) + 1);
    this.#clock.after(this.#delayMs, () => {
      const arrivals = this.#arrivals.get(to);
      const lost = arrivals === undefined || this.#cut.has(from) || this.#cut.has(to);
      if (lost && message.kind === 'snapshot') this.#arrivals.get(from)?.snapshotLost(to);
      if (!lost) arrivals.received(from, message, content && stream(content));
    });
  }
}

async function* stream(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
