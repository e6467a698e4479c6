import type { VoterClient } from '@shoal/raft/client';
import type { Clock, Logger, LogIndex, Monotonic, Random, Timer } from '@shoal/runtime';
import { encodeTransaction, type StateView, type Transaction } from '@shoal/state';
import type { ProposalFailure, ProposalResult, Replica, ReplicaEvent } from '../replica.ts';
import { FollowStream } from './follow-stream.ts';
import { FollowerState } from './follower-state.ts';
import type { NextTurn } from './gathering.ts';
import { OutcomeIndex, Part, PendingProposal } from './proposals.ts';
import {
  ProposeStream,
  type ReadWaiter,
  requestBytesMax,
  requestTransactionsMax,
  unreachable,
} from './propose-stream.ts';

/** Transactions of this process whose outcome is awaited; more are answered `busy`. */
const transactionsInFlightMax = 16_384;
/** Callers of `catchUp` that wait; more are answered `busy`. */
const catchUpsMax = 4_096;
/** Longest wait for some voter to be reached, or to say how far a reader must have read; milliseconds. */
export const unsentMsMax = 3_000;
/** Longest wait for an outcome, milliseconds. */
export const outcomeMsMax = 15_000;
/** A voter that is known to be behind the log, and gets no further for so long, is left; milliseconds. */
export const behindMsMax = 1_000;
const expiryEveryMs = 250;

/** What a replica has streams to voters for. */
export type ReplicaStream = 'follow' | 'propose';

export interface RemoteReplicaOptions {
  /** The client of the voter to turn to; asked for anew at every attempt. */
  readonly client: (stream: ReplicaStream) => VoterClient;
  /** Who follows, for the voter's logs and metrics. */
  readonly follower: string;
  /**
   * For people who wait: while somebody writes or asks at its voter it has every entry at once, and its proposals
   * gather. By default those of a few milliseconds come together.
   */
  readonly prompt?: boolean;
  /** How a prompt one waits for others that propose in the same moment; the event loop's next turn by default. */
  readonly nextTurn?: NextTurn;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

type CatchUpResult = { readonly kind: 'caught-up'; readonly index: LogIndex } | ProposalFailure;

interface CatchUp extends ReadWaiter {
  readonly since: Monotonic;
  /** The read index, once the voter has said it. */
  readonly index: LogIndex | undefined;
  /** Why no voter has said it. */
  readonly failure: ProposalFailure | undefined;
  end(result: CatchUpResult): void;
}

/** A replica that follows a voter. Heals every loss of connection by itself. */
export class RemoteReplica implements Replica {
  readonly #clock: Clock;
  readonly #state = new FollowerState();
  readonly #follow: FollowStream;
  readonly #propose: ProposeStream;
  readonly #outcomes = new OutcomeIndex();
  readonly #catchUps = new Set<CatchUp>();
  readonly #logger: Logger;
  #expiry: Timer | undefined;
  /** Where the state stood, and since when, at the last look at who is behind. */
  #stood: { readonly cursor: LogIndex; readonly since: Monotonic } | undefined;
  #stopped = false;

  constructor(options: RemoteReplicaOptions) {
    const { client, follower, prompt = false, nextTurn = setImmediate } = options;
    const { clock, random, logger } = options;
    this.#clock = clock;
    this.#logger = logger;
    const down = (stream: string) => (reason: string, delayMs: number) =>
      logger.info({ stream, reason, delayMs }, 'replica_stream_down');
    this.#follow = new FollowStream({
      client: () => client('follow'),
      state: this.#state,
      follower,
      prompt,
      clock,
      random,
      onReceived: () => this.#passed(),
      onDown: down('follow'),
    });
    this.#propose = new ProposeStream({
      client: () => client('propose'),
      cursor: () => this.#state.cursor,
      follows: () => this.#state.ready,
      gatherBy: prompt ? nextTurn : undefined,
      clock,
      random,
      onDown: down('propose'),
    });
    this.#state.subscribe((event) => {
      if (event.kind === 'applied') this.#outcomes.applied(event.entry.outcomes);
      else this.#outcomes.jumped();
    });
    this.#follow.start();
    this.#propose.start();
  }

  get view(): StateView {
    return this.#state.view;
  }

  get ready(): boolean {
    return this.#state.ready;
  }

  /** Entries that the voter has committed and this replica has not taken yet. */
  get lag(): number {
    return Math.max(0, this.#state.committed - this.#state.cursor);
  }

  subscribe(listener: (event: ReplicaEvent) => void): () => void {
    return this.#state.subscribe(listener);
  }

  propose(transactions: readonly Transaction[]): Promise<ProposalResult> {
    if (this.#stopped) return Promise.resolve(unreachable('the process ends'));
    if (transactions.length === 0) return Promise.resolve({ kind: 'applied', outcomes: [] });
    if (this.#outcomes.transactions + transactions.length > transactionsInFlightMax)
      return Promise.resolve(busy('too many proposals of this process wait'));
    const encoded = transactions.map((transaction) => bufferOf(encodeTransaction(transaction)));
    const ids = transactions.map((transaction) => transaction.id);
    return new Promise((resolve) => {
      const proposal = new PendingProposal(
        transactions.length,
        this.#clock.monotonic(),
        () => this.#state.cursor,
        (result) => {
          this.#outcomes.remove(proposal, ids);
          resolve(result);
        },
      );
      const parts = partsOf(proposal, encoded);
      proposal.consistsOf(parts);
      this.#outcomes.add(proposal, ids);
      this.#propose.propose(parts);
      this.#watchExpiry();
    });
  }

  catchUp(): Promise<CatchUpResult> {
    if (this.#stopped) return Promise.resolve(unreachable('the process ends'));
    if (this.#catchUps.size >= catchUpsMax)
      return Promise.resolve(busy('too many readers of this process wait'));
    return new Promise((resolve) => {
      const catchUp = this.#newCatchUp(resolve);
      this.#catchUps.add(catchUp);
      this.#propose.readIndex(catchUp);
      this.#watchExpiry();
    });
  }

  /** Drops the connections and makes new ones, for example because the own voter is back. */
  reconnect(reason: string): void {
    this.#follow.restart(reason);
    this.#propose.restart(reason);
  }

  stop(): void {
    this.#stopped = true;
    this.#follow.stop();
    this.#propose.stop();
    this.#expiry?.cancel();
    for (const proposal of this.#outcomes.proposals) proposal.giveUp('the process ends');
    for (const catchUp of this.#catchUps) catchUp.end(unreachable('the process ends'));
  }

  #newCatchUp(resolve: (result: CatchUpResult) => void): CatchUp {
    let index: LogIndex | undefined;
    let failure: ProposalFailure | undefined;
    let done = false;
    const catchUp: CatchUp = {
      since: this.#clock.monotonic(),
      get index() {
        return index;
      },
      get failure() {
        return failure;
      },
      get done() {
        return done;
      },
      attemptFailed: (failed) => {
        failure = failed;
      },
      answer: (answer) => {
        if (answer.kind === 'failed') {
          catchUp.end(answer);
          return;
        }
        index = answer.index;
        this.#passed();
      },
      end: (result) => {
        done = true;
        if (this.#catchUps.delete(catchUp)) resolve(result);
      },
    };
    return catchUp;
  }

  #passed(): void {
    const { cursor } = this.#state;
    for (const catchUp of this.#catchUps) {
      const { index } = catchUp;
      if (index !== undefined && index <= cursor) catchUp.end({ kind: 'caught-up', index });
    }
    this.#propose.seen();
  }

  #watchExpiry(): void {
    if (this.#expiry !== undefined || this.#stopped) return;
    this.#expiry = this.#clock.after(expiryEveryMs, () => {
      this.#expiry = undefined;
      this.#expire();
      this.#leaveWhoIsBehind();
      this.#propose.dropDone();
      if (this.#outcomes.transactions > 0 || this.#catchUps.size > 0) this.#watchExpiry();
      else this.#stood = undefined;
    });
  }

  #expire(): void {
    const { trouble } = this.#propose;
    const reason = `the log cannot be reached${trouble === '' ? '' : `: ${trouble}`}`;
    this.#outcomes.expire(this.#clock, unsentMsMax, outcomeMsMax, reason);
    const now = this.#clock.monotonic();
    for (const catchUp of this.#catchUps) {
      if (now - catchUp.since < unsentMsMax) continue;
      const { index, failure } = catchUp;
      const behind = `this copy of the state has ${this.#state.cursor} of ${index} entries`;
      catchUp.end(failure ?? unreachable(index === undefined ? reason : behind));
    }
  }

  /**
   * The leader has said how far the log goes, and the voter that is followed is not there and gets nowhere: it
   * may be cut off from the others. Another goes on where this one stands; a state never goes back.
   */
  #leaveWhoIsBehind(): void {
    const { cursor } = this.#state;
    const now = this.#clock.monotonic();
    const isBehind =
      [...this.#catchUps].some(({ index = 0 }) => index > cursor) ||
      this.#propose.waits ||
      this.#outcomes.waitsBeyond(cursor);
    if (!isBehind) {
      this.#stood = undefined;
    } else if (this.#stood?.cursor !== cursor) {
      this.#stood = { cursor, since: now };
    } else if (now - this.#stood.since >= behindMsMax) {
      this.#stood = undefined;
      this.#logger.info({ cursor }, 'replica_behind');
      this.#follow.restart('the voter is behind');
    }
  }
}

function busy(message: string): ProposalFailure {
  return { kind: 'failed', code: 'busy', message };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Puts transactions together as far as one message takes them. */
function partsOf(proposal: PendingProposal, encoded: readonly Buffer[]): readonly Part[] {
  const parts: Part[] = [];
  let [from, group, bytes] = [0, [] as Buffer[], 0];
  const close = (): void => {
    if (group.length > 0) parts.push(new Part(proposal, from, group, bytes));
    [from, group, bytes] = [from + group.length, [], 0];
  };
  for (const transaction of encoded) {
    const isFull = group.length >= requestTransactionsMax;
    if (isFull || bytes + transaction.length > requestBytesMax) close();
    group.push(transaction);
    bytes += transaction.length;
  }
  close();
  return parts;
}
