import { EventEmitter } from 'node:events';
import {
  EntryKind,
  type FollowOpening,
  type FollowResponse,
  type LogEntry,
  LogErrorCode,
  type ProposeRequest,
  type ProposeResponse,
} from '@shoal/proto';
import type { VoterClient } from '@shoal/raft/client';
import { type Clock, invariant, type LogIndex } from '@shoal/runtime';
import { encodePayload, type Outcome, State, type Transaction } from '@shoal/state';

/**
 * What happens to one message with proposals.
 * - `taken`: committed and answered.
 * - `unsaid`: committed, and the answer is lost with the stream.
 * - `unknown`: committed, and answered as if nobody knew: the leader changed.
 * - `late`: the stream breaks, and the message still gets into the log, ahead of what the log is told or asked next.
 * - `dropped`: the stream breaks, and the message is never heard of again.
 * - `no-leader`, `busy`: not written, and answered so.
 */
export type Fate = 'taken' | 'unsaid' | 'unknown' | 'late' | 'dropped' | 'no-leader' | 'busy';

const wireMs = 1;

/** One voter as a client sees it. */
interface FakeVoter {
  up: boolean;
  /** How far it has applied the log; it may be cut off from the others. */
  applied: number;
  cutOff: boolean;
  readonly follows: Set<FakeFollow>;
  readonly proposes: Set<FakePropose>;
}

/**
 * Some voters with one log between them, as clients see them: no consensus, but everything that can happen to
 * a message. Their time is the clock's, and what happens to each message is for the test to say.
 */
export class FakeVoters {
  readonly #clock: Clock;
  readonly #entries: LogEntry[] = [];
  readonly #state = new State();
  readonly #voters: readonly FakeVoter[];
  readonly #fate: () => Fate;
  #late: (readonly Buffer[])[] = [];
  /** Entries before this one are only in snapshots. */
  #first = 1;
  /** Every outcome of every copy, in the order of the log. */
  readonly outcomes: Outcome[] = [];

  constructor(clock: Clock, count: number, fate: () => Fate = () => 'taken') {
    this.#clock = clock;
    this.#fate = fate;
    this.#voters = Array.from({ length: count }, () => ({
      up: true,
      applied: 0,
      cutOff: false,
      follows: new Set<FakeFollow>(),
      proposes: new Set<FakePropose>(),
    }));
  }

  get committed(): LogIndex {
    return this.#entries.length as LogIndex;
  }

  get view() {
    return this.#state.view;
  }

  /** A voter's address is its number. */
  client(at: number): VoterClient {
    const voter = this.#at(at);
    const calls = {
      follow: (opening: FollowOpening) => new FakeFollow(this, voter, opening),
      propose: () => new FakePropose(this, voter),
    };
    return calls as unknown as VoterClient;
  }

  /** How many follow `at`. */
  followers(at: number): number {
    return this.#at(at).follows.size;
  }

  crash(at: number): void {
    const voter = this.#at(at);
    voter.up = false;
    this.#breakOff(voter);
  }

  restart(at: number): void {
    const voter = this.#at(at);
    voter.up = true;
    this.#catchUp(voter);
  }

  /** Streams go on, and nothing new comes: the voter does not hear the others. */
  cutOff(at: number, cutOff: boolean): void {
    const voter = this.#at(at);
    voter.cutOff = cutOff;
    this.#catchUp(voter);
  }

  /** The log begins at what is committed now: who is not there yet needs a snapshot. */
  compact(): void {
    this.#first = this.#entries.length + 1;
  }

  /** Writes as somebody else. */
  commit(transactions: readonly Buffer[]): void {
    const index = this.#entries.length + 1;
    const data = Buffer.from(encodePayload(this.#clock.now(), transactions));
    this.#entries.push({ index, term: 1, kind: EntryKind.NORMAL, data });
    this.outcomes.push(...this.#state.apply(index as LogIndex, data).outcomes);
    for (const voter of this.#voters) this.#catchUp(voter);
  }

  /** Outcomes of the transaction's copies. */
  of({ id }: Transaction): readonly Outcome[] {
    return this.outcomes.filter(({ transaction }) => transaction === id);
  }

  isUp(voter: FakeVoter): boolean {
    return voter.up;
  }

  snapshot(): { readonly index: number; readonly chunks: readonly Uint8Array[] } {
    return { index: this.#entries.length, chunks: [...this.#state.snapshot().chunks] };
  }

  /** What a follower of the voter gets after `cursor`; undefined when only a snapshot has it. */
  after(voter: FakeVoter, cursor: number): readonly LogEntry[] | undefined {
    if (cursor + 1 < this.#first && cursor < voter.applied) return undefined;
    return this.#entries.slice(cursor, voter.applied);
  }

  soon(act: () => void): void {
    this.#clock.after(wireMs, act);
  }

  proposed(stream: FakePropose, { requestId, body }: ProposeRequest): void {
    this.soon(() => {
      const { voter } = stream;
      if (!voter.up || !voter.proposes.has(stream)) return;
      const fate = this.#fate();
      this.settle();
      if (body?.$case === 'readIndex') {
        if (fate === 'no-leader') stream.fail(requestId, LogErrorCode.NO_LEADER);
        else stream.answer({ requestId, index: this.committed, error: undefined });
        return;
      }
      invariant(body !== undefined, 'a request without a body');
      this.#meet(stream, requestId, body.value.transactions, fate);
    });
  }

  #meet(stream: FakePropose, requestId: number, transactions: Buffer[], fate: Fate): void {
    const { NO_LEADER, BUSY, UNKNOWN_OUTCOME } = LogErrorCode;
    if (fate === 'late') this.#late.push(transactions);
    if (fate === 'taken' || fate === 'unsaid' || fate === 'unknown') this.commit(transactions);
    if (fate === 'no-leader') stream.fail(requestId, NO_LEADER);
    else if (fate === 'busy') stream.fail(requestId, BUSY);
    else if (fate === 'unknown') stream.fail(requestId, UNKNOWN_OUTCOME);
    else if (fate === 'taken')
      stream.answer({ requestId, index: this.committed, error: undefined });
    else stream.breakOff('the stream broke');
  }

  /** What was late comes at last. */
  settle(): void {
    for (const late of this.#late.splice(0)) this.commit(late);
  }

  #catchUp(voter: FakeVoter): void {
    if (!voter.up || voter.cutOff) return;
    voter.applied = this.#entries.length;
    for (const follow of voter.follows) follow.pump();
  }

  #breakOff(voter: FakeVoter): void {
    for (const stream of [...voter.follows, ...voter.proposes]) stream.breakOff('connection reset');
  }

  #at(at: number): FakeVoter {
    const voter = this.#voters[at];
    invariant(voter !== undefined, 'no such voter', { at });
    return voter;
  }
}

/** The client's end of a follow stream. */
class FakeFollow extends EventEmitter {
  readonly #voters: FakeVoters;
  readonly #voter: FakeVoter;
  #cursor: number;
  #greeted = false;
  #over = false;

  constructor(voters: FakeVoters, voter: FakeVoter, { after }: FollowOpening) {
    super();
    this.#voters = voters;
    this.#voter = voter;
    this.#cursor = after;
    voters.soon(() => {
      if (this.#over) return;
      if (!voters.isUp(voter)) {
        this.breakOff('connection refused');
        return;
      }
      voter.follows.add(this);
      if (after === 0 && voter.applied > 0) this.#sendSnapshot();
      this.pump();
    });
  }

  pump(): void {
    if (this.#over) return;
    const after = (): readonly LogEntry[] | undefined =>
      this.#voters.after(this.#voter, this.#cursor);
    if (after() === undefined) this.#sendSnapshot();
    const entries = after() ?? [];
    if (entries.length === 0 && this.#greeted) return;
    this.#greeted = true;
    this.#cursor += entries.length;
    const value = { entries: [...entries], committed: this.#voter.applied };
    this.#send({ body: { $case: 'entries', value } });
  }

  breakOff(reason: string): void {
    if (this.#over) return;
    this.cancel();
    this.#voters.soon(() => this.emit('error', new Error(reason)));
  }

  cancel(): void {
    this.#over = true;
    this.#voter.follows.delete(this);
  }

  #sendSnapshot(): void {
    const { index, chunks } = this.#voters.snapshot();
    this.#cursor = index;
    for (const [at, chunk] of chunks.entries()) {
      const value = { index, data: Buffer.from(chunk), last: at === chunks.length - 1 };
      this.#send({ body: { $case: 'snapshot', value } });
    }
  }

  #send(message: FollowResponse): void {
    this.#voters.soon(() => {
      if (!this.#over) this.emit('data', message);
    });
  }
}

/** The client's end of a propose stream. */
class FakePropose extends EventEmitter {
  readonly voter: FakeVoter;
  readonly #voters: FakeVoters;
  #over = false;

  constructor(voters: FakeVoters, voter: FakeVoter) {
    super();
    this.voter = voter;
    this.#voters = voters;
    voter.proposes.add(this);
    voters.soon(() => {
      if (!voters.isUp(voter)) this.breakOff('connection refused');
    });
  }

  write(request: ProposeRequest): boolean {
    if (!this.#over) this.#voters.proposed(this, request);
    return true;
  }

  answer(response: ProposeResponse): void {
    this.#voters.soon(() => {
      if (!this.#over) this.emit('data', response);
    });
  }

  fail(requestId: number, code: LogErrorCode): void {
    const message = code === LogErrorCode.NO_LEADER ? noLeader : 'the test says so';
    this.answer({ requestId, index: 0, error: { code, message } });
  }

  breakOff(reason: string): void {
    if (this.#over) return;
    this.cancel();
    this.#voters.soon(() => this.emit('error', new Error(reason)));
  }

  cancel(): void {
    this.#over = true;
    this.voter.proposes.delete(this);
  }

  end(): void {
    this.cancel();
  }
}

/** What a voter says without a leader. */
export const noLeader =
  'the swarm does not have a leader: 1 of 3 managers is reachable, 2 are needed';
