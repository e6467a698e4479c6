import {
  type LogError,
  LogErrorCode,
  type ProposeRequest,
  type ProposeResponse,
} from '@shoal/proto';
import type { ProposeStream as Call, VoterClient } from '@shoal/raft/client';
import { type Clock, errorMessage, type LogIndex, type Random, type Timer } from '@shoal/runtime';
import type { ProposalFailure } from '../replica.ts';
import { Gathering, type NextTurn } from './gathering.ts';
import type { Part } from './proposals.ts';
import { type Attempt, Reconnecting } from './reconnecting.ts';

/** Bounds of one message; the voter puts waiting messages together, so small ones lose nothing. */
export const requestBytesMax = 256 * 1024;
export const requestTransactionsMax = 512;
/** Messages sent and not answered yet. */
const requestsInFlightMax = 256;
/** Pause before what the log could not take for the moment is sent again, milliseconds. */
const sendAgainMs = 100;

/** Someone waits for a read index. */
export interface ReadWaiter {
  /** It has given up. */
  readonly done: boolean;
  answer(result: { readonly kind: 'index'; readonly index: LogIndex } | ProposalFailure): void;
  /** The log could not say for the moment; it is asked again. */
  attemptFailed(failure: ProposalFailure): void;
}

type InFlight =
  | { readonly kind: 'proposal'; readonly parts: readonly Part[] }
  /** How far the log goes, to know whether an earlier copy of the parts is in it. */
  | { readonly kind: 'doubt'; readonly parts: readonly Part[] }
  | { readonly kind: 'read'; readonly waiters: readonly ReadWaiter[] };

/** The one long-lived stream that carries this process's proposals and read-index questions. */
export class ProposeStream {
  readonly #client: () => VoterClient;
  readonly #cursor: () => LogIndex;
  readonly #follows: () => boolean;
  readonly #connection: Reconnecting;
  readonly #inFlight = new Map<number, InFlight>();
  #call: Call | undefined;
  #queue: Part[] = [];
  #readers: ReadWaiter[] = [];
  #requestId = 0;
  #blocked = false;
  /** The voter at the other end has answered something. */
  #greeted = false;
  #flushing = false;
  readonly #clock: Clock;
  /** What waits to be said again. */
  #again: { parts: Part[]; readers: ReadWaiter[] } = { parts: [], readers: [] };
  /** Parts of which a copy may be in the log. */
  #doubtful: Part[] = [];
  /** Such parts, and how far this replica must see to know. */
  #held: { readonly index: LogIndex; readonly parts: readonly Part[] }[] = [];
  #againTimer: Timer | undefined;
  readonly #gathering: Gathering | undefined;
  #trouble = '';

  constructor(options: {
    readonly client: () => VoterClient;
    /** Where the state of this replica stands. */
    readonly cursor: () => LogIndex;
    /**
     * Whether this replica has begun to follow the log. What is written before would come to it inside its
     * first snapshot, where no outcome can be told.
     */
    readonly follows: () => boolean;
    /** Given when this replica hears at once what was committed, so that proposals may {@link Gathering | gather}. */
    readonly gatherBy: NextTurn | undefined;
    readonly clock: Clock;
    readonly random: Random;
    readonly onDown: (reason: string, delayMs: number) => void;
  }) {
    this.#client = options.client;
    this.#cursor = options.cursor;
    this.#follows = options.follows;
    this.#clock = options.clock;
    const { clock, gatherBy: nextTurn } = options;
    const waiting = (): number => this.#queue.length;
    const go = (): void => this.#flush();
    this.#gathering = nextTurn && new Gathering({ clock, nextTurn, waiting, go });
    this.#connection = new Reconnecting({
      clock: options.clock,
      random: options.random,
      open: (down) => this.#open(down),
      onDown: (reason, delayMs) => {
        this.#trouble = reason;
        options.onDown(reason, delayMs);
      },
    });
  }

  /** Why no voter was reached the last time; empty since one answered. */
  get trouble(): string {
    return this.#trouble;
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
    for (const { proposal } of this.#unsent()) proposal.giveUp('the process ends');
    for (const reader of [...this.#readers, ...this.#again.readers])
      reader.answer(unreachable('the process ends'));
    this.#again = { parts: [], readers: [] };
    this.#queue = [];
    this.#doubtful = [];
    this.#held = [];
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

  /**
   * The state of this replica went on. A part that was asked about, and is not settled once the state has
   * come so far, is not in the log and is said again.
   */
  seen(): void {
    if (this.#queue.length > 0) this.#schedule();
    if (!this.#held.some(({ index }) => index <= this.#cursor())) return;
    const known = this.#held.filter(({ index }) => index <= this.#cursor());
    this.#held = this.#held.filter((held) => !known.includes(held));
    for (const part of known.flatMap(({ parts }) => parts))
      if (part.proposal.accounted(part)) this.#queue.push(part);
    this.#schedule();
  }

  /** Whether something waits until the state is further on. */
  get waits(): boolean {
    return this.#held.some(({ index }) => index > this.#cursor());
  }

  #unsent(): readonly Part[] {
    const held = this.#held.flatMap(({ parts }) => parts);
    return [...this.#queue, ...this.#again.parts, ...this.#doubtful, ...held];
  }

  /** Forgets what waits to be sent and has been given up meanwhile. */
  dropDone(): void {
    this.#queue = this.#queue.filter((part) => !part.proposal.done);
    this.#readers = this.#readers.filter((reader) => !reader.done);
    const wanted = ({ proposal }: Part): boolean => !proposal.done;
    const { parts, readers } = this.#again;
    this.#again = {
      parts: parts.filter(wanted),
      readers: readers.filter((reader) => !reader.done),
    };
    this.#doubtful = this.#doubtful.filter(wanted);
    this.#held = this.#held
      .map(({ index, parts: held }) => ({ index, parts: held.filter(wanted) }))
      .filter(({ parts: held }) => held.length > 0);
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
    if (!this.#greet(call) || !this.#follows()) return;
    if (this.#doubtful.length > 0 && this.#mayWrite()) {
      const parts = this.#doubtful;
      this.#doubtful = [];
      this.#write(call, { kind: 'doubt', parts }, { $case: 'readIndex', value: {} });
    }
    if (this.#queue.length > 0 && this.#gathering?.holdBack() === true) return;
    while (this.#queue.length > 0 && this.#mayWrite()) {
      const parts = this.#takeParts();
      if (parts.length === 0) continue;
      for (const part of parts) part.sending();
      const transactions = parts.flatMap((part) => part.proposal.missingOf(part));
      this.#write(
        call,
        { kind: 'proposal', parts },
        { $case: 'proposal', value: { transactions } },
      );
      this.#gathering?.sent(parts);
    }
  }

  /**
   * Proposals wait until the voter has answered a first question: what was handed to a stream that never came
   * about would count as possibly written.
   */
  #greet(call: Call): boolean {
    if (!this.#greeted && this.#inFlight.size === 0)
      this.#write(call, { kind: 'read', waiters: [] }, { $case: 'readIndex', value: {} });
    return this.#greeted;
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

  #write(call: Call, what: InFlight, body: NonNullable<ProposeRequest['body']>): void {
    this.#requestId += 1;
    this.#inFlight.set(this.#requestId, what);
    this.#blocked = !call.write({ requestId: this.#requestId, body });
  }

  #open(down: (reason: string) => void): Attempt {
    const call = this.#client().propose({ follows: true });
    const ended = (reason: string): void => {
      if (this.#call !== call) return;
      this.#lost(reason);
      down(reason);
    };
    this.#call = call;
    this.#blocked = false;
    this.#greeted = false;
    call.on('data', (response) => this.#answered(response));
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
    this.#trouble = '';
    this.#greeted = true;
    const what = this.#inFlight.get(response.requestId);
    if (what === undefined) return;
    this.#inFlight.delete(response.requestId);
    const failure = response.error === undefined ? undefined : failureOf(response.error);
    const index = response.index as LogIndex;
    if (what.kind === 'proposal') this.#settle(what.parts, failure, index);
    else if (what.kind === 'doubt' && failure !== undefined) this.#sayAgain(what.parts, []);
    else if (what.kind === 'doubt') this.#holdUntil(index, what.parts);
    else this.#say(what.waiters, failure ?? { kind: 'index', index });
    this.#flush();
  }

  #holdUntil(index: LogIndex, parts: readonly Part[]): void {
    this.#held.push({ index, parts });
    this.seen();
  }

  #settle(parts: readonly Part[], failure: ProposalFailure | undefined, index: LogIndex): void {
    this.#gathering?.answered(parts);
    if (failure === undefined) {
      for (const part of parts) {
        part.committed(index);
        part.proposal.look();
      }
      return;
    }
    const unfit = failure.code === 'malformed' || failure.code === 'too-large';
    if (!(isPassing(failure) || (unfit && parts.length > 1))) {
      for (const part of parts) part.proposal.refused(part, failure);
      return;
    }
    for (const part of parts) {
      part.proposal.attemptFailed(part, failure);
      part.alone ||= unfit;
    }
    if (unfit) this.#queue.unshift(...parts);
    else this.#sayAgain(parts, []);
  }

  /** A question is asked until there is an answer, or nobody waits for it any more. */
  #say(waiters: readonly ReadWaiter[], answer: Parameters<ReadWaiter['answer']>[0]): void {
    if (answer.kind === 'index') {
      for (const waiter of waiters) waiter.answer(answer);
      return;
    }
    for (const waiter of waiters) waiter.attemptFailed(answer);
    this.#sayAgain([], waiters);
  }

  /** Once more after a pause: what may be in the log already waits until that is known. */
  #sayAgain(parts: readonly Part[], readers: readonly ReadWaiter[]): void {
    this.#again.parts.push(...parts);
    this.#again.readers.push(...readers);
    this.#againTimer ??= this.#clock.after(sendAgainMs, () => {
      this.#againTimer = undefined;
      const again = this.#again;
      this.#again = { parts: [], readers: [] };
      for (const part of again.parts) (part.isUncertain ? this.#doubtful : this.#queue).push(part);
      this.#readers.push(...again.readers);
      this.#schedule();
    });
  }

  /**
   * What was under way may or may not be in the log. A second copy would mostly be refused there: what it
   * creates exists, what it changes has another version; but not if somebody deleted it meanwhile. So the
   * next voter is first asked how far the log goes.
   */
  #lost(reason: string): void {
    this.#call = undefined;
    for (const what of this.#inFlight.values()) {
      if (what.kind === 'read') {
        this.#readers.push(...what.waiters);
        continue;
      }
      this.#doubtful.push(...what.parts);
      if (what.kind === 'doubt') continue;
      for (const part of what.parts) part.proposal.attemptFailed(part, lost(reason));
    }
    this.#inFlight.clear();
    this.#gathering?.over();
  }
}

/** May be otherwise in a moment: with another leader, or with less to do. */
function isPassing({ code }: ProposalFailure): boolean {
  return code === 'no-leader' || code === 'busy' || code === 'unknown-outcome';
}

function lost(reason: string): ProposalFailure {
  return { kind: 'failed', code: 'unknown-outcome', message: reason };
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
