import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { LogClient, LogError, ProposeRequest, ProposeResponse } from '@shoal/proto';
import { LogErrorCode } from '@shoal/proto';
import { type Clock, errorMessage, type LogIndex, type Random, type Timer } from '@shoal/runtime';
import type { ProposalFailure } from '../replica.ts';
import type { PendingProposal } from './proposals.ts';
import { type Attempt, Reconnecting } from './reconnecting.ts';

/** Bounds of one message; the voter puts waiting messages together, so small ones lose nothing. */
export const requestBytesMax = 256 * 1024;
export const requestTransactionsMax = 512;
/** Messages sent and not answered yet. */
export const requestsInFlightMax = 256;
/** Pause before what the log could not take for the moment is sent again, milliseconds. */
export const sendAgainMs = 100;

/** Some transactions of one proposal, sent in one message. */
export interface Part {
  readonly proposal: PendingProposal;
  readonly transactions: readonly Buffer[];
  readonly bytes: number;
  /** Sent by itself, because a message it shared was found unfit. */
  readonly alone: boolean;
}

/** Someone waits for a read index. */
export interface ReadWaiter {
  /** It has given up. */
  readonly done: boolean;
  answer(result: { readonly kind: 'index'; readonly index: LogIndex } | ProposalFailure): void;
}

type InFlight =
  | { readonly kind: 'proposal'; readonly parts: readonly Part[] }
  | { readonly kind: 'read'; readonly waiters: readonly ReadWaiter[] };

/** The one long-lived stream that carries this process's proposals and read-index questions. */
export class ProposeStream {
  readonly #client: () => LogClient;
  readonly #connection: Reconnecting;
  readonly #inFlight = new Map<number, InFlight>();
  #call: ClientDuplexStream<ProposeRequest, ProposeResponse> | undefined;
  #queue: Part[] = [];
  #readers: ReadWaiter[] = [];
  #requestId = 0;
  #blocked = false;
  #flushing = false;
  readonly #clock: Clock;
  /** What waits to be sent again. */
  #again: Part[] = [];
  #againTimer: Timer | undefined;

  constructor(options: {
    readonly client: () => LogClient;
    readonly clock: Clock;
    readonly random: Random;
    readonly onDown: (reason: string, delayMs: number) => void;
  }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#connection = new Reconnecting({
      clock: options.clock,
      random: options.random,
      open: (down) => this.#open(down),
      onDown: options.onDown,
    });
  }

  start(): void {
    this.#connection.start();
  }

  restart(reason: string): void {
    this.#connection.restart(reason);
  }

  stop(): void {
    this.#connection.stop();
    this.#againTimer?.cancel();
    this.#lost('the process ends');
    for (const part of [...this.#queue, ...this.#again])
      part.proposal.fail(unreachable('the process ends'));
    this.#again = [];
    for (const reader of this.#readers) reader.answer(unreachable('the process ends'));
    this.#queue = [];
    this.#readers = [];
  }

  propose(parts: readonly Part[]): void {
    for (const part of parts) this.#queue.push(part);
    this.#schedule();
  }

  readIndex(waiter: ReadWaiter): void {
    this.#readers.push(waiter);
    this.#schedule();
  }

  /** Forgets what waits to be sent and has been given up meanwhile. */
  dropDone(): void {
    this.#queue = this.#queue.filter((part) => !part.proposal.done);
    this.#again = this.#again.filter((part) => !part.proposal.done);
    this.#readers = this.#readers.filter((reader) => !reader.done);
  }

  /** Everything asked for in one turn of the event loop leaves in as few messages as possible. */
  #schedule(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const call = this.#call;
    if (call === undefined) return;
    if (this.#readers.length > 0 && this.#mayWrite()) {
      const waiters = this.#readers;
      this.#readers = [];
      this.#write(call, { kind: 'read', waiters }, { $case: 'readIndex', value: {} });
    }
    while (this.#queue.length > 0 && this.#mayWrite()) {
      const parts = this.#takeParts();
      if (parts.length === 0) continue;
      for (const part of parts) part.proposal.markSent();
      const transactions = parts.flatMap((part) => part.transactions);
      this.#write(
        call,
        { kind: 'proposal', parts },
        { $case: 'proposal', value: { transactions } },
      );
    }
  }

  #mayWrite(): boolean {
    return !this.#blocked && this.#inFlight.size < requestsInFlightMax;
  }

  #takeParts(): readonly Part[] {
    let bytes = 0;
    let count = 0;
    let taken = 0;
    for (const part of this.#queue) {
      const fits =
        bytes + part.bytes <= requestBytesMax &&
        count + part.transactions.length <= requestTransactionsMax;
      if (taken > 0 && (!fits || part.alone)) break;
      bytes += part.bytes;
      count += part.transactions.length;
      taken += 1;
      if (part.alone) break;
    }
    return this.#queue.splice(0, taken).filter((part) => !part.proposal.done);
  }

  #write(
    call: ClientDuplexStream<ProposeRequest, ProposeResponse>,
    what: InFlight,
    body: NonNullable<ProposeRequest['body']>,
  ): void {
    this.#requestId += 1;
    this.#inFlight.set(this.#requestId, what);
    this.#blocked = !call.write({ requestId: this.#requestId, body });
  }

  #open(down: (reason: string) => void): Attempt {
    const call = this.#client().propose();
    const ended = (reason: string): void => {
      if (this.#call !== call) return;
      this.#lost(reason);
      down(reason);
    };
    this.#call = call;
    this.#blocked = false;
    call.on('data', (response: ProposeResponse) => this.#answered(response));
    call.on('drain', () => {
      this.#blocked = false;
      this.#flush();
    });
    call.on('error', (error) => ended(errorMessage(error)));
    call.on('end', () => ended('the voter ended the stream'));
    this.#schedule();
    return {
      close: () => {
        call.cancel();
        if (this.#call === call) this.#lost('the stream was closed');
      },
    };
  }

  #answered(response: ProposeResponse): void {
    this.#connection.healthy();
    const what = this.#inFlight.get(response.requestId);
    if (what === undefined) return;
    this.#inFlight.delete(response.requestId);
    const failure = response.error === undefined ? undefined : failureOf(response.error);
    const index = response.index as LogIndex;
    if (what.kind === 'read') {
      for (const waiter of what.waiters) waiter.answer(failure ?? { kind: 'index', index });
    } else {
      this.#settle(what.parts, failure, index);
    }
    this.#flush();
  }

  #settle(parts: readonly Part[], failure: ProposalFailure | undefined, index: LogIndex): void {
    if (failure === undefined) {
      for (const part of parts) part.proposal.committed(index);
      return;
    }
    const unfit = failure.code === 'malformed' || failure.code === 'too-large';
    if (unfit && parts.length > 1) {
      this.#queue.unshift(...parts.map((part) => ({ ...part, alone: true })));
      return;
    }
    if (isPassing(failure)) {
      for (const { proposal } of parts) proposal.attemptFailed(failure);
      this.#sendAgain(parts);
      return;
    }
    for (const part of parts) part.proposal.refused(failure);
  }

  /**
   * The same transactions once more. Should the first sending still get into the log, then the second is
   * refused there: what it creates exists, what it updates or deletes has another version. Of both outcomes
   * the first counts.
   */
  #sendAgain(parts: readonly Part[]): void {
    this.#again.push(...parts);
    this.#againTimer ??= this.#clock.after(sendAgainMs, () => {
      this.#againTimer = undefined;
      this.#queue.unshift(...this.#again.splice(0));
      this.#schedule();
    });
  }

  /** What was under way may or may not be in the log; all of it is said again. */
  #lost(reason: string): void {
    this.#call = undefined;
    for (const what of this.#inFlight.values()) {
      if (what.kind === 'read') this.#readers.push(...what.waiters);
      else
        for (const part of what.parts) {
          part.proposal.attemptFailed({ kind: 'failed', code: 'unknown-outcome', message: reason });
          this.#queue.push(part);
        }
    }
    this.#inFlight.clear();
  }
}

/** May be otherwise in a moment: with another leader, or with less to do. */
function isPassing({ code }: ProposalFailure): boolean {
  return code === 'no-leader' || code === 'busy' || code === 'unknown-outcome';
}

export function unreachable(message: string): ProposalFailure {
  return { kind: 'failed', code: 'no-leader', message };
}

function failureOf(error: LogError): ProposalFailure {
  return { kind: 'failed', code: codeOf(error.code), message: error.message };
}

function codeOf(code: LogErrorCode): ProposalFailure['code'] {
  switch (code) {
    case LogErrorCode.NO_LEADER:
      return 'no-leader';
    case LogErrorCode.STORAGE:
      return 'storage';
    case LogErrorCode.TOO_LARGE:
      return 'too-large';
    case LogErrorCode.MALFORMED:
      return 'malformed';
    case LogErrorCode.BUSY:
      return 'busy';
    default:
      return 'unknown-outcome';
  }
}
