import type { FollowOpening, FollowResponse } from '@shoal/proto';
import type { LogIndex, Monotonic } from '@shoal/runtime';
import type { ServedFollow } from '../wire/protocol.ts';
import type { EntryMessages } from './entry-messages.ts';
import type { ServedLog } from './served-log.ts';
import { bufferOf } from './wire-messages.ts';

/** Largest piece of a snapshot in one message. */
export const snapshotChunkBytesMax = 256 * 1024;
/** Messages handed to the connection and not yet written to it, for each follower. */
export const unwrittenMax = 4;

/** Leave to hold an image of the state; see `ImageSlots`. */
export interface ImageSlot {
  release(): void;
}

/** Bounds how many images are held at once: each keeps alive what changes while it is read. */
export class ImageSlots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** `granted` is called when a slot is free again, if none was. */
  take(granted: () => void): ImageSlot | undefined {
    if (this.#free === 0) {
      if (!this.#waiting.includes(granted)) this.#waiting.push(granted);
      return undefined;
    }
    this.#free -= 1;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#free += 1;
        // One that is told may not be able to take it yet; it asks again by itself.
        while (this.#free > 0 && this.#waiting.length > 0) this.#waiting.shift()?.();
      },
    };
  }

  /** A waiter went away. */
  forget(granted: () => void): void {
    const at = this.#waiting.indexOf(granted);
    if (at >= 0) this.#waiting.splice(at, 1);
  }
}

/** A snapshot on its way to one follower. */
interface Image {
  readonly index: LogIndex;
  readonly pieces: Iterator<Uint8Array>;
  readonly slot: ImageSlot;
  /** The piece to be sent next: only the one after it tells whether it is the last. */
  next: Uint8Array;
}

/**
 * One follower's place in the shared log. It costs a cursor and a few messages however slow the
 * follower is: what it has not taken stays in the log, and if the log moves on it gets a snapshot.
 */
export class FollowerFeed {
  /** Whether it is to have every entry at once. */
  readonly prompt: boolean;
  readonly #stream: Pick<ServedFollow, 'write'>;
  readonly #log: ServedLog;
  readonly #messages: EntryMessages;
  readonly #slots: ImageSlots;
  readonly #now: () => Monotonic;
  readonly #pumpAgain = (): void => this.pump();
  #cursor: LogIndex;
  #image: Image | undefined;
  #wantsImage: boolean;
  #greeted = false;
  #unwritten = 0;
  /** There may be more than the connection took. */
  #cut = false;
  #progressAt: Monotonic;
  #closed = false;

  constructor(
    stream: Pick<ServedFollow, 'write'>,
    { after, prompt }: FollowOpening,
    log: ServedLog,
    messages: EntryMessages,
    slots: ImageSlots,
    now: () => Monotonic,
  ) {
    this.prompt = prompt;
    this.#stream = stream;
    this.#log = log;
    this.#messages = messages;
    this.#slots = slots;
    this.#now = now;
    this.#cursor = after as LogIndex;
    this.#wantsImage = this.#cursor === 0;
    this.#progressAt = now();
  }

  /** Since when messages wait that the follower does not take; undefined when none do. */
  get stalledSince(): Monotonic | undefined {
    return this.#unwritten >= unwrittenMax ? this.#progressAt : undefined;
  }

  /** Sends what there is, as far as the follower takes it. */
  pump(): void {
    while (!this.#closed && this.#unwritten < unwrittenMax) {
      const message = this.#next();
      this.#cut = message !== undefined;
      if (message === undefined) return;
      // Nothing waited: however long ago the last one was written, this one begins to wait now.
      if (this.#unwritten === 0) this.#progressAt = this.#now();
      this.#unwritten += 1;
      this.#stream.write(message, () => this.#written());
    }
  }

  close(): void {
    this.#closed = true;
    this.#slots.forget(this.#pumpAgain);
    this.#endImage();
  }

  #written(): void {
    this.#unwritten -= 1;
    this.#progressAt = this.#now();
    // Who had everything waits until it is told that there is more.
    if (this.#cut) this.pump();
  }

  #next(): FollowResponse | undefined {
    if (this.#wantsImage && !this.#openImage()) return undefined;
    if (this.#image !== undefined) return this.#nextPiece(this.#image);
    const found = this.#messages.after(this.#cursor);
    if (found === 'compacted') {
      this.#wantsImage = true;
      return this.#next();
    }
    if (found === undefined) return this.#greeting(this.#log.status.applied);
    this.#cursor = found.last;
    this.#greeted = true;
    return found.message;
  }

  /** Tells a follower that has everything that it has everything, once. */
  #greeting(committed: LogIndex): FollowResponse | undefined {
    if (this.#greeted) return undefined;
    this.#greeted = true;
    return { body: { $case: 'entries', value: { entries: [], committed } } };
  }

  /** False while no slot is free. */
  #openImage(): boolean {
    const slot = this.#slots.take(this.#pumpAgain);
    if (slot === undefined) return false;
    this.#wantsImage = false;
    const { index, chunks } = this.#log.image();
    const pieces = piecesOf(chunks);
    const first = pieces.next();
    // Nothing was ever written: there is nothing to send.
    if (first.done === true || index === 0) slot.release();
    else this.#image = { index, pieces, slot, next: first.value };
    return true;
  }

  #nextPiece(image: Image): FollowResponse {
    const data = image.next;
    const following = image.pieces.next();
    const last = following.done === true;
    if (last) {
      this.#cursor = image.index;
      this.#greeted = false;
      this.#endImage();
    } else {
      image.next = following.value;
    }
    const value = { index: image.index, data: bufferOf(data), last };
    return { body: { $case: 'snapshot', value } };
  }

  #endImage(): void {
    this.#image?.pieces.return?.();
    this.#image?.slot.release();
    this.#image = undefined;
  }
}

function* piecesOf(chunks: Iterable<Uint8Array>): Generator<Uint8Array, undefined> {
  for (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += snapshotChunkBytesMax)
      yield chunk.subarray(at, at + snapshotChunkBytesMax);
  return undefined;
}
