import { Readable } from 'node:stream';
import type { Clock } from '@shoal/runtime';
import type { FastifyReply } from 'fastify';
import { Turns } from './turns.ts';

/** Lists of so many items are written at once: a millisecond or two. */
export const atOnceMax = 2_000;
/** Longest piece of work on a list before others get their turn, milliseconds. */
const pieceMs = 4;
/** Items between two looks at the clock. */
const itemsPerLook = 64;
/** Characters that a list is ahead of its reader at most, but for one piece. */
const aheadMax = 256 * 1024;

/** What a list shows, gathered in one moment, and how each item is written as JSON. */
export interface List<T> {
  readonly items: readonly T[];
  /** Reads nothing that changes: the state goes on while a long list is written. */
  readonly write: (item: T, at: number) => string;
}

/** Sends lists as JSON. Long ones are gathered and written in turns, as fast as their reader takes them. */
export class Lists {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #turns = new Turns();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** `size` is how many objects `gather` looks through. @throws what `gather` throws */
  async send<T>(reply: FastifyReply, size: number, gather: () => List<T>): Promise<FastifyReply> {
    const list = size <= atOnceMax ? gather() : await this.#inTurn(gather);
    reply.header('content-type', 'application/json');
    const { items } = list;
    if (items.length <= atOnceMax)
      return reply.send(Buffer.from(`${textOf(list, 0, items.length)}]\n`));
    return reply.send(new ListStream(list, this.#turns, this.#clock));
  }

  #inTurn<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#turns.next(() => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

/** The text of a list, made when the reader asks for more. */
class ListStream<T> extends Readable {
  readonly #list: List<T>;
  readonly #turns: Turns;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #at = 0;

  constructor(list: List<T>, turns: Turns, clock: Pick<Clock, 'monotonic'>) {
    super({ highWaterMark: aheadMax });
    this.#list = list;
    this.#turns = turns;
    this.#clock = clock;
  }

  override _read(): void {
    try {
      this.#turns.next(() => this.#piece());
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #piece(): void {
    if (this.destroyed) return;
    try {
      const text = this.#text();
      const isWhole = this.#at === this.#list.items.length;
      this.push(isWhole ? `${text}]\n` : text);
      if (isWhole) this.push(null);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #text(): string {
    const { items } = this.#list;
    const end = this.#clock.monotonic() + pieceMs;
    let text = '';
    while (this.#at < items.length) {
      const upTo = Math.min(items.length, this.#at + itemsPerLook);
      text += textOf(this.#list, this.#at, upTo);
      this.#at = upTo;
      if (text.length >= aheadMax || this.#clock.monotonic() >= end) break;
    }
    return text;
  }
}

/** The items from `from` until `end`, each with what stands before it. */
function textOf<T>({ items, write }: List<T>, from: number, end: number): string {
  let text = items.length === 0 ? '[' : '';
  for (let at = from; at < end; at += 1) {
    text += at === 0 ? '[' : ',';
    text += write(items[at] as T, at);
  }
  return text;
}
