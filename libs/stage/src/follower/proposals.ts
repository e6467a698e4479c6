import { type Clock, invariant, type LogIndex, type Monotonic } from '@shoal/runtime';
import type { Outcome } from '@shoal/state';
import type { ProposalFailure, ProposalResult } from '../replica.ts';

/** One call of `propose`, from its encoding to its last outcome. */
export class PendingProposal {
  readonly since: Monotonic;
  readonly #outcomes: (Outcome | undefined)[];
  readonly #resolve: (result: ProposalResult) => void;
  #missing: number;
  /** Messages that carry it and have no answer yet. */
  #unanswered: number;
  #sent = false;
  /** Why the last attempt came to nothing; an attempt whose end is unknown stays unknown. */
  #failed: ProposalFailure | undefined;
  #lastIndex = 0 as LogIndex;
  #done = false;

  constructor(
    count: number,
    requests: number,
    since: Monotonic,
    resolve: (result: ProposalResult) => void,
  ) {
    this.since = since;
    this.#outcomes = new Array(count).fill(undefined);
    this.#missing = count;
    this.#unanswered = requests;
    this.#resolve = resolve;
  }

  get done(): boolean {
    return this.#done;
  }

  get sent(): boolean {
    return this.#sent;
  }

  /** True when every message that carries it is committed. */
  get answered(): boolean {
    return this.#unanswered === 0;
  }

  markSent(): void {
    this.#sent = true;
  }

  outcome(position: number, outcome: Outcome): void {
    if (this.#outcomes[position] !== undefined) return;
    this.#outcomes[position] = outcome;
    this.#missing -= 1;
    if (this.#missing > 0) return;
    const outcomes = this.#outcomes.filter((each) => each !== undefined);
    invariant(outcomes.length === this.#outcomes.length, 'a proposal ended without all outcomes');
    this.#finish({ kind: 'applied', outcomes });
  }

  /** One of its messages was committed, up to `index`. */
  committed(index: LogIndex): void {
    this.#unanswered -= 1;
    if (index > this.#lastIndex) this.#lastIndex = index;
  }

  /** One of its messages came back, or got lost; it is sent again. */
  attemptFailed(failure: ProposalFailure): void {
    if (this.#failed?.code !== 'unknown-outcome') this.#failed = failure;
  }

  /** What to answer when there is no more time for another attempt; undefined while an answer is awaited. */
  get lastFailure(): ProposalFailure | undefined {
    return this.#failed;
  }

  /** One of its messages was refused by the log. */
  refused(failure: ProposalFailure): void {
    const whole = this.#outcomes.length === this.#missing && this.#unanswered === 1;
    this.#finish(whole && this.#lastIndex === 0 ? failure : partly(failure.message));
  }

  /** The state stands at `cursor`: if the outcomes were to be seen, they have been. */
  passed(cursor: LogIndex): void {
    if (this.#done || !this.answered || this.#lastIndex > cursor) return;
    this.#finish(partly('the outcome went by inside a snapshot'));
  }

  fail(failure: ProposalFailure): void {
    this.#finish(failure);
  }

  #finish(result: ProposalResult): void {
    if (this.#done) return;
    this.#done = true;
    this.#resolve(result);
  }
}

/** How long writers wait for a leader, milliseconds; an election takes well under a second. */
export const noLeaderMsMax = 5_000;

function isOver({ code }: ProposalFailure, waitedMs: number, sentMs: number): boolean {
  return waitedMs >= (code === 'unknown-outcome' ? sentMs : noLeaderMsMax);
}

function partly(message: string): ProposalFailure {
  return { kind: 'failed', code: 'unknown-outcome', message };
}

/** Finds the pending proposal of each outcome that goes by. */
export class OutcomeIndex {
  readonly #byTransaction = new Map<string, { proposal: PendingProposal; position: number }>();
  readonly #proposals = new Set<PendingProposal>();

  /** Transactions whose outcome is awaited. */
  get transactions(): number {
    return this.#byTransaction.size;
  }

  get proposals(): ReadonlySet<PendingProposal> {
    return this.#proposals;
  }

  add(proposal: PendingProposal, transactionIds: readonly string[]): void {
    this.#proposals.add(proposal);
    for (const [position, id] of transactionIds.entries())
      this.#byTransaction.set(id, { proposal, position });
  }

  remove(proposal: PendingProposal, transactionIds: readonly string[]): void {
    this.#proposals.delete(proposal);
    for (const id of transactionIds) this.#byTransaction.delete(id);
  }

  applied(outcomes: readonly Outcome[]): void {
    if (this.#byTransaction.size === 0) return;
    for (const outcome of outcomes) {
      const found = this.#byTransaction.get(outcome.transaction);
      found?.proposal.outcome(found.position, outcome);
    }
  }

  passed(cursor: LogIndex): void {
    for (const proposal of this.#proposals) proposal.passed(cursor);
  }

  /** Fails what has waited too long: what is certainly not in the log early, the rest after the whole deadline. */
  expire(clock: Clock, unsentMs: number, sentMs: number): void {
    const now = clock.monotonic();
    for (const proposal of this.#proposals) {
      const waitedMs = now - proposal.since;
      if (!proposal.sent && waitedMs >= unsentMs)
        proposal.fail({ kind: 'failed', code: 'no-leader', message: 'the log cannot be reached' });
      else if (proposal.lastFailure !== undefined && isOver(proposal.lastFailure, waitedMs, sentMs))
        proposal.fail(proposal.lastFailure);
      else if (waitedMs >= sentMs)
        proposal.fail({
          kind: 'failed',
          code: 'unknown-outcome',
          message: `the log gave no outcome within ${sentMs} ms`,
        });
    }
  }
}
