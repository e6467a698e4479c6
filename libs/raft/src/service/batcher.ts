import type { Clock, Instant } from '@shoal/runtime';
import { encodePayload, LogClock, type Transaction } from '@shoal/state';
import type { LogFailure, ProposedEntry, ServedLog } from './served-log.ts';

/** A batch takes no more requests once it is this large. */
const batchBytesTarget = 1024 * 1024;
const batchTransactionsMax = 4_096;
/** Largest request: an object of a megabyte in base64, with room for the rest of its transaction. */
export const requestBytesMax = 2 * 1024 * 1024;
/** Entries handed to the log and not committed yet. */
export const batchesInFlightMax = 4;
/** What may wait for its batch; more is answered `busy`. */
export const waitingBytesMax = 32 * 1024 * 1024;
export const waitingRequestsMax = 65_536;

/** A transaction whose structure was checked, in both its forms. */
export interface Checked {
  readonly bytes: Uint8Array;
  readonly transaction: Transaction;
}

/** Learns what is inside a payload before it is proposed, so that applying need not decode it again. */
export type PayloadListener = (
  payload: Uint8Array,
  time: Instant,
  transactions: readonly Transaction[],
) => void;

interface Waiting {
  readonly transactions: readonly Checked[];
  readonly bytes: number;
  readonly resolve: (result: ProposedEntry) => void;
}

/**
 * Puts all transactions that wait into one entry, and the next ones into the next while the first is
 * being stored: under load one durable write carries thousands, at rest a single one waits for nobody.
 */
export class Batcher {
  readonly #log: Pick<ServedLog, 'propose'>;
  readonly #clock: LogClock;
  #queue: Waiting[] = [];
  #waitingBytes = 0;
  #inFlight = 0;
  #scheduled = false;
  readonly #onPayload: PayloadListener;

  constructor(options: {
    readonly log: Pick<ServedLog, 'propose'>;
    readonly clock: Clock;
    /** Time of the newest entry in the log. */
    readonly lastTime: Instant;
    readonly onPayload: PayloadListener;
  }) {
    this.#log = options.log;
    this.#clock = new LogClock(options.clock, options.lastTime);
    this.#onPayload = options.onPayload;
  }

  /** An entry with this time went by: none that follows may be older. */
  passed(time: Instant): void {
    this.#clock.passed(time);
  }

  /** The transactions of one request share one entry. */
  submit(transactions: readonly Checked[]): Promise<ProposedEntry> {
    const bytes = transactions.reduce((sum, each) => sum + each.bytes.length, 0);
    if (bytes > requestBytesMax || transactions.length > batchTransactionsMax)
      return Promise.resolve(tooLarge(bytes, transactions.length));
    if (this.#waitingBytes + bytes > waitingBytesMax || this.#queue.length >= waitingRequestsMax)
      return Promise.resolve(
        failure('busy', 'too many proposals wait for the disk of the log; try again'),
      );
    return new Promise((resolve) => {
      this.#queue.push({ transactions, bytes, resolve });
      this.#waitingBytes += bytes;
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= batchesInFlightMax || this.#queue.length === 0) return;
    this.#scheduled = true;
    // After this turn's messages: what arrived together travels together.
    queueMicrotask(() => {
      this.#scheduled = false;
      while (this.#queue.length > 0 && this.#inFlight < batchesInFlightMax) void this.#send();
    });
  }

  async #send(): Promise<void> {
    const batch = this.#take();
    this.#inFlight += 1;
    const transactions = batch.flatMap((waiting) => waiting.transactions);
    const time = this.#stamp();
    const payload = encodePayload(
      time,
      transactions.map((each) => each.bytes),
    );
    this.#onPayload(
      payload,
      time,
      transactions.map((each) => each.transaction),
    );
    const result = await this.#log.propose(payload);
    this.#inFlight -= 1;
    for (const waiting of batch) waiting.resolve(result);
    this.#schedule();
  }

  #take(): readonly Waiting[] {
    let bytes = 0;
    let transactions = 0;
    let end = 0;
    for (const waiting of this.#queue) {
      const fits =
        bytes + waiting.bytes <= batchBytesTarget &&
        transactions + waiting.transactions.length <= batchTransactionsMax;
      if (end > 0 && !fits) break;
      bytes += waiting.bytes;
      transactions += waiting.transactions.length;
      end += 1;
    }
    this.#waitingBytes -= bytes;
    const batch = this.#queue.slice(0, end);
    this.#queue = this.#queue.slice(end);
    return batch;
  }

  #stamp(): Instant {
    const time = this.#clock.now();
    this.#clock.passed(time);
    return time;
  }
}

export function failure(code: LogFailure['code'], message: string): LogFailure {
  return { kind: 'failed', code, message };
}

function tooLarge(bytes: number, transactions: number): LogFailure {
  return failure(
    'too-large',
    `the log takes ${requestBytesMax} bytes and ${batchTransactionsMax} transactions at once, ` +
      `not ${bytes} and ${transactions}`,
  );
}
