import type { Clock, LogIndex, Monotonic } from '@shoal/runtime';
import type { Outcome } from '@shoal/state';
import type { ProposalFailure, ProposalResult } from '../replica.ts';

/** How long writers wait for a leader, milliseconds; an election takes well under a second. */
export const noLeaderMsMax = 5_000;

/** Transactions of one proposal that travel in one message, as often as it takes. */
export class Part {
  readonly proposal: PendingProposal;
  /** Place of the first transaction among those of the proposal. */
  readonly from: number;
  readonly transactions: readonly Buffer[];
  readonly bytes: number;
  /** Sent by itself, because a message it shared was found unfit. */
  alone = false;
  /** The log said that everything up to here holds the last copy. */
  committedAt: LogIndex | undefined;
  /** Copies that may be in the log. */
  #copies = 0;
  #wasSent = false;
  #underWay = false;
  #lost = false;
  #hidden = false;

  constructor(
    proposal: PendingProposal,
    from: number,
    transactions: readonly Buffer[],
    bytes: number,
  ) {
    this.proposal = proposal;
    this.from = from;
    this.transactions = transactions;
    this.bytes = bytes;
  }

  get wasSent(): boolean {
    return this.#wasSent;
  }

  /** A copy may be in the log, or come into it, that nobody has told of. */
  get isUncertain(): boolean {
    return this.#underWay || this.#lost;
  }

  /** Something of it is in the log, or may be. */
  get mayBeWritten(): boolean {
    return this.isUncertain || this.#hidden || this.committedAt !== undefined;
  }

  sending(): void {
    this.#copies += 1;
    this.#wasSent = true;
    this.#underWay = true;
  }

  /** The copy under way was not taken, or nobody knows whether it was. */
  cameBack({ code }: ProposalFailure): void {
    this.#underWay = false;
    if (code === 'unknown-outcome') this.#lost = true;
    else this.#copies -= 1;
    if (this.#copies === 0) this.#hidden = false;
  }

  committed(index: LogIndex): void {
    this.#underWay = false;
    this.committedAt = index;
  }

  /** What became of a copy may have gone by inside a snapshot. */
  get isHidden(): boolean {
    return this.#hidden;
  }

  /** The state has passed everything that a lost copy could have become. */
  accounted(): void {
    this.#lost = false;
  }

  /** The state jumped: what became of a copy may have gone by unseen. */
  jumped(): void {
    if (this.isUncertain) this.#hidden = true;
  }

  /**
   * What a refusal means that was seen while the state stands at `cursor`. With several copies about, one
   * may be refused and a later one taken, or one refused only because another was taken: then they must all
   * have gone by.
   */
  refusalAt(cursor: LogIndex): 'counts' | 'wait' | 'may-be-of-a-second-copy' {
    if (this.#copies <= 1) return 'counts';
    if (this.isUncertain || (this.committedAt ?? 0) > cursor) return 'wait';
    return this.#hidden ? 'may-be-of-a-second-copy' : 'counts';
  }
}

/** One call of `propose`, from its encoding to its last outcome. */
export class PendingProposal {
  readonly since: Monotonic;
  readonly #outcomes: (Outcome | undefined)[];
  readonly #cursor: () => LogIndex;
  readonly #resolve: (result: ProposalResult) => void;
  #parts: readonly Part[] = [];
  #missing: number;
  /** Why the last attempt came to nothing. */
  #failure: ProposalFailure | undefined;
  #done = false;

  /** `cursor`: where the state of this replica stands. */
  constructor(
    count: number,
    since: Monotonic,
    cursor: () => LogIndex,
    resolve: (result: ProposalResult) => void,
  ) {
    this.since = since;
    this.#outcomes = new Array(count).fill(undefined);
    this.#missing = count;
    this.#cursor = cursor;
    this.#resolve = resolve;
  }

  get done(): boolean {
    return this.#done;
  }

  /** Together they hold every transaction, in order. */
  consistsOf(parts: readonly Part[]): void {
    this.#parts = parts;
  }

  /** One copy of a transaction was applied. That it was taken counts; that it was refused may not, see {@link look}. */
  outcome(position: number, outcome: Outcome): void {
    const before = this.#outcomes[position];
    if (before?.kind === 'committed') return;
    if (before === undefined) this.#missing -= 1;
    this.#outcomes[position] = outcome;
  }

  /** Ends the proposal if everything that it waits for has been seen. */
  look(): void {
    if (this.#done) return;
    if (this.#missing > 0) {
      const cursor = this.#cursor();
      const isHidden = ({ committedAt }: Part): boolean =>
        committedAt !== undefined && committedAt <= cursor;
      if (this.#parts.some((part) => isHidden(part) && this.missingOf(part).length > 0))
        this.#finish(unknown('the outcome went by inside a snapshot'));
      return;
    }
    const outcomes = this.#outcomes.filter((each) => each !== undefined);
    const verdict = this.#verdict();
    if (verdict === 'counts') this.#finish({ kind: 'applied', outcomes });
    else if (verdict === 'may-be-of-a-second-copy') this.#finish(unknown(hiddenText));
  }

  /** A message with the part came back and is sent again. */
  attemptFailed(part: Part, failure: ProposalFailure): void {
    part.cameBack(failure);
    this.#failure = failure;
  }

  /**
   * The state has passed everything that a lost copy of the part could have become. True when the copy is not
   * in the log, so that another may be sent.
   */
  accounted(part: Part): boolean {
    part.accounted();
    this.look();
    if (this.#done || this.missingOf(part).length === 0) return false;
    if (part.isHidden) this.#finish(unknown(hiddenText));
    return !this.#done;
  }

  /** What of the part has no outcome yet. */
  missingOf({ from, transactions }: Part): readonly Buffer[] {
    return transactions.filter((_, at) => this.#outcomes[from + at] === undefined);
  }

  /** The log refused a message with the part for good. */
  refused(part: Part, failure: ProposalFailure): void {
    part.cameBack(failure);
    this.#finish(this.#mayBeWritten ? unknown(failure.message) : failure);
  }

  /** The state was replaced by a later one. */
  jumped(): void {
    for (const part of this.#parts) if (this.missingOf(part).length > 0) part.jumped();
    this.look();
  }

  /** Whether the log holds something of it further on than `cursor`. */
  waitsBeyond(cursor: LogIndex): boolean {
    return this.#parts.some(({ committedAt = 0 }) => committedAt > cursor);
  }

  /** No more attempts. */
  giveUp(message: string): void {
    this.#finish(
      this.#mayBeWritten ? unknown(message) : { kind: 'failed', code: 'no-leader', message },
    );
  }

  /**
   * Ends what has waited too long: what is certainly not in the log early, after `unsentMs` or
   * {@link noLeaderMsMax}, the rest after `sentMs`. `reason`: why nothing can be sent at the moment.
   */
  expire(waitedMs: number, unsentMs: number, sentMs: number, reason: string): void {
    if (waitedMs >= sentMs) {
      this.giveUp(this.#failure?.message ?? `the log gave no outcome within ${sentMs} ms`);
    } else if (!this.#parts.some((part) => part.wasSent)) {
      if (waitedMs >= unsentMs) this.giveUp(reason);
    } else if (this.#failure !== undefined && !this.#mayBeWritten && waitedMs >= noLeaderMsMax) {
      this.#finish(this.#failure);
    }
  }

  get #mayBeWritten(): boolean {
    const { length } = this.#outcomes;
    return this.#missing < length || this.#parts.some((part) => part.mayBeWritten);
  }

  #verdict(): ReturnType<Part['refusalAt']> {
    const cursor = this.#cursor();
    let worst: ReturnType<Part['refusalAt']> = 'counts';
    for (const part of this.#parts) {
      const { from, transactions } = part;
      const own = this.#outcomes.slice(from, from + transactions.length);
      if (own.every((outcome) => outcome?.kind === 'committed')) continue;
      const verdict = part.refusalAt(cursor);
      if (verdict === 'wait') return verdict;
      if (verdict !== 'counts') worst = verdict;
    }
    return worst;
  }

  #finish(result: ProposalResult): void {
    if (this.#done) return;
    this.#done = true;
    this.#resolve(result);
  }
}

const hiddenText = 'the outcome may have gone by inside a snapshot';

function unknown(message: string): ProposalFailure {
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

  /** All outcomes of one entry: only together do they say how things stand. */
  applied(outcomes: readonly Outcome[]): void {
    if (this.#byTransaction.size === 0) return;
    const touched = new Set<PendingProposal>();
    for (const outcome of outcomes) {
      const found = this.#byTransaction.get(outcome.transaction);
      if (found === undefined) continue;
      found.proposal.outcome(found.position, outcome);
      touched.add(found.proposal);
    }
    for (const proposal of touched) proposal.look();
  }

  jumped(): void {
    for (const proposal of this.#proposals) proposal.jumped();
  }

  /** Whether some outcome is further on in the log than `cursor`. */
  waitsBeyond(cursor: LogIndex): boolean {
    return [...this.#proposals].some((proposal) => proposal.waitsBeyond(cursor));
  }

  /** See {@link PendingProposal.expire}. */
  expire(clock: Clock, unsentMs: number, sentMs: number, reason: string): void {
    const now = clock.monotonic();
    for (const proposal of this.#proposals) {
      proposal.look();
      proposal.expire(now - proposal.since, unsentMs, sentMs, reason);
    }
  }
}
