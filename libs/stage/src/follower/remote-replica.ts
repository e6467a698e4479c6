import type { LogClient } from '@shoal/proto';
import type { Clock, Logger, LogIndex, Monotonic, Random, Timer } from '@shoal/runtime';
import { encodeTransaction, type StateView, type Transaction } from '@shoal/state';
import type { ProposalFailure, ProposalResult, Replica, ReplicaEvent } from '../replica.ts';
import { FollowStream } from './follow-stream.ts';
import { FollowerState } from './follower-state.ts';
import { OutcomeIndex, PendingProposal } from './proposals.ts';
import {
  type Part,
  ProposeStream,
  type ReadWaiter,
  requestBytesMax,
  requestTransactionsMax,
  unreachable,
} from './propose-stream.ts';

/** Transactions of this process whose outcome is awaited; more are answered `busy`. */
export const transactionsInFlightMax = 16_384;
/** Callers of `catchUp` that wait; more are answered `busy`. */
export const catchUpsMax = 4_096;
/** Longest wait for the voter to be reached, milliseconds. */
export const unsentMsMax = 3_000;
/** Longest wait for an outcome, milliseconds. */
export const outcomeMsMax = 15_000;
const expiryEveryMs = 250;

export interface RemoteReplicaOptions {
  /** The client of the voter to follow; asked for anew at every attempt. */
  readonly client: () => LogClient;
  /** Who follows, for the voter's logs and metrics. */
  readonly follower: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

type CatchUpResult = { readonly kind: 'caught-up'; readonly index: LogIndex } | ProposalFailure;

interface CatchUp extends ReadWaiter {
  readonly since: Monotonic;
  /** The read index, once the voter has said it. */
  readonly index: LogIndex | undefined;
  end(result: CatchUpResult): void;
}

/** A replica that follows a voter over gRPC. Heals every loss of connection by itself. */
export class RemoteReplica implements Replica {
  readonly #clock: Clock;
  readonly #state = new FollowerState();
  readonly #follow: FollowStream;
  readonly #propose: ProposeStream;
  readonly #outcomes = new OutcomeIndex();
  readonly #catchUps = new Set<CatchUp>();
  #expiry: Timer | undefined;
  #stopped = false;

  constructor(options: RemoteReplicaOptions) {
    const { client, follower, clock, random, logger } = options;
    this.#clock = clock;
    const down = (stream: string) => (reason: string, delayMs: number) =>
      logger.info({ stream, reason, delayMs }, 'replica_stream_down');
    this.#follow = new FollowStream({
      client,
      state: this.#state,
      follower,
      clock,
      random,
      onReceived: () => this.#passed(),
      onDown: down('follow'),
    });
    this.#propose = new ProposeStream({ client, clock, random, onDown: down('propose') });
    this.#state.subscribe((event) => {
      if (event.kind === 'applied') this.#outcomes.applied(event.entry.outcomes);
      else this.#outcomes.passed(event.index);
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
    const groups = pack(encoded);
    const ids = transactions.map((transaction) => transaction.id);
    return new Promise((resolve) => {
      const proposal = new PendingProposal(
        transactions.length,
        groups.length,
        this.#clock.monotonic(),
        (result) => {
          this.#outcomes.remove(proposal, ids);
          resolve(result);
        },
      );
      this.#outcomes.add(proposal, ids);
      this.#propose.propose(groups.map((group): Part => ({ ...group, proposal, alone: false })));
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

  /** Drops the connections and makes new ones, for example because the certificate was renewed. */
  reconnect(reason: string): void {
    this.#follow.restart(reason);
    this.#propose.restart(reason);
  }

  stop(): void {
    this.#stopped = true;
    this.#follow.stop();
    this.#propose.stop();
    this.#expiry?.cancel();
    for (const proposal of this.#outcomes.proposals)
      proposal.fail({ kind: 'failed', code: 'unknown-outcome', message: 'the process ends' });
    for (const catchUp of this.#catchUps) catchUp.end(unreachable('the process ends'));
  }

  #newCatchUp(resolve: (result: CatchUpResult) => void): CatchUp {
    let index: LogIndex | undefined;
    let done = false;
    const catchUp: CatchUp = {
      since: this.#clock.monotonic(),
      get index() {
        return index;
      },
      get done() {
        return done;
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
  }

  #watchExpiry(): void {
    if (this.#expiry !== undefined || this.#stopped) return;
    this.#expiry = this.#clock.after(expiryEveryMs, () => {
      this.#expiry = undefined;
      this.#outcomes.passed(this.#state.cursor);
      this.#outcomes.expire(this.#clock, unsentMsMax, outcomeMsMax);
      const now = this.#clock.monotonic();
      for (const catchUp of this.#catchUps)
        if (now - catchUp.since >= unsentMsMax)
          catchUp.end(unreachable('the log cannot be reached'));
      this.#propose.dropDone();
      if (this.#outcomes.transactions > 0 || this.#catchUps.size > 0) this.#watchExpiry();
    });
  }
}

function busy(message: string): ProposalFailure {
  return { kind: 'failed', code: 'busy', message };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Puts transactions together as far as one message takes them. */
function pack(
  encoded: readonly Buffer[],
): readonly { readonly transactions: readonly Buffer[]; readonly bytes: number }[] {
  const groups: { readonly transactions: Buffer[]; bytes: number }[] = [];
  for (const transaction of encoded) {
    const last = groups.at(-1);
    const fits =
      last !== undefined &&
      last.bytes + transaction.length <= requestBytesMax &&
      last.transactions.length < requestTransactionsMax;
    if (fits) {
      last.transactions.push(transaction);
      last.bytes += transaction.length;
    } else {
      groups.push({ transactions: [transaction], bytes: transaction.length });
    }
  }
  return groups;
}
