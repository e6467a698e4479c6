import type { DeliverOpening } from '@shoal/proto';
import { type Clock, errorMessage, type Logger, type Random, type Timer } from '@shoal/runtime';
import type { VoterId } from '../types.ts';
import type { DeliverStream } from '../wire/protocol.ts';
import { Outbox } from './outbox.ts';

/** Pause before a lost stream is opened again, doubled up to the maximum, milliseconds. */
const reopenMsMin = 50;
const reopenMsMax = 500;
/** A stream that the peer has not accepted by then is given up, milliseconds: a lost packet is sent
 * again by TCP only after ever longer pauses. */
export const openMsMax = 1_000;
/** A stream that stood so long was a good one: the next pause is a short one again, milliseconds. */
export const steadyMs = 1_000;
/** Writes handed to the connection and not yet taken by it; while they are, what comes is put together. */
const writesUnderWayMax = 4;

/** How long a message that can linger waits for others to go with, milliseconds. */
const lingerMs = 2;

/** When a message leaves: with all others of this moment, or whenever the next one does, because nobody waits for it. */
export type Urgency = 'now' | 'linger';

export interface PeerLinkOptions {
  readonly self: VoterId;
  readonly peer: VoterId;
  readonly addr: string;
  /** Where this voter listens, told to the peer when a stream opens. */
  readonly ownAddr: () => string;
  /** Opens a stream of its own to the voter at this address. */
  readonly dial: (addr: string, opening: DeliverOpening, openMsMax: number) => DeliverStream;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The way to one peer: one stream, opened again for as long as the link is. */
export class PeerLink {
  readonly peer: VoterId;
  readonly addr: string;
  readonly #options: PeerLinkOptions;
  readonly #outbox = new Outbox();
  #stream: DeliverStream | undefined;
  #accepted = false;
  #acceptedAt = 0;
  #underWay = 0;
  #flushing = false;
  #linger: Timer | undefined;
  #failures = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: PeerLinkOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.addr = options.addr;
    this.#open();
  }

  /** The peer has accepted the stream that stands. */
  get connected(): boolean {
    return this.#accepted;
  }

  get waiting(): { readonly messages: number; readonly bytes: number; readonly dropped: number } {
    const { size, bytes, dropped } = this.#outbox;
    return { messages: size, bytes, dropped };
  }

  /** Never waits. What is sent in one turn leaves together. */
  send(bytes: Buffer, append: boolean, urgency: Urgency): void {
    // Between two tries nobody listens, and later it would be out of date.
    if (this.#stream === undefined) return;
    this.#outbox.push(bytes, append);
    if (urgency === 'now') this.#flushNow();
    else this.#linger ??= this.#options.clock.after(lingerMs, () => this.#flush());
  }

  #flushNow(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#drop();
  }

  #open(): void {
    const { self, peer, addr, ownAddr, dial } = this.#options;
    const opening = { from: self, to: peer, fromAddr: ownAddr() };
    const stream = dial(addr, opening, openMsMax);
    this.#stream = stream;
    this.#underWay = 0;
    stream.on('open', () => this.#opened(stream));
    stream.on('end', () => this.#ended(stream, 'the peer ended the stream'));
    stream.on('error', (error) => this.#ended(stream, errorMessage(error)));
  }

  #opened(stream: DeliverStream): void {
    if (this.#stream !== stream) return;
    const { peer, addr, clock, logger } = this.#options;
    this.#accepted = true;
    this.#acceptedAt = clock.monotonic();
    logger.info({ peer, addr }, 'peer_connected');
  }

  #ended(stream: DeliverStream, reason: string): void {
    if (this.#stream !== stream) return;
    const { peer, addr, clock, random, logger } = this.#options;
    const level = this.#accepted || this.#failures === 0 ? 'warn' : 'debug';
    logger[level]({ peer, addr, reason }, 'peer_lost');
    // A peer that accepts and then refuses, because another voter runs there now, is not asked in a hurry.
    if (this.#accepted && clock.monotonic() - this.#acceptedAt >= steadyMs) this.#failures = 0;
    this.#drop();
    const longest = Math.min(reopenMsMax, reopenMsMin * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    const delayMs = longest / 2 + (random.next() * longest) / 2;
    this.#timer = clock.after(delayMs, () => {
      if (!this.#closed) this.#open();
    });
  }

  #drop(): void {
    const stream = this.#stream;
    this.#timer?.cancel();
    this.#linger?.cancel();
    this.#linger = undefined;
    this.#stream = undefined;
    this.#accepted = false;
    this.#outbox.clear();
    stream?.cancel();
  }

  #flush(): void {
    this.#linger?.cancel();
    this.#linger = undefined;
    const stream = this.#stream;
    while (stream !== undefined && this.#outbox.size > 0 && this.#underWay < writesUnderWayMax)
      this.#write(stream, this.#outbox.take());
  }

  #write(stream: DeliverStream, messages: readonly Buffer[]): void {
    this.#underWay += 1;
    const written = (): void => {
      if (this.#stream !== stream) return;
      this.#underWay -= 1;
      this.#flush();
    };
    for (const [at, message] of messages.entries())
      stream.write(message, at === messages.length - 1 ? written : undefined);
  }
}
