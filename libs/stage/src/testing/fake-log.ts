import {
  type Clock,
  type Instant,
  invariant,
  type LogIndex,
  newId,
  type Random,
} from '@shoal/runtime';
import {
  type AppliedEntry,
  type Change,
  decodeTransaction,
  encodeTransaction,
  type Lease,
  type Outcome,
  State,
  type StateView,
  type Transaction,
} from '@shoal/state';
import type { ProposalFailure, ProposalResult, Replica, ReplicaEvent } from '../replica.ts';
import type { HeldLease, LeaseSource } from '../shell/options.ts';

export interface FakeLogOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** From a proposal to its commit, milliseconds. */
  readonly commitMs?: () => number;
  /** From a commit to a replica's apply, milliseconds. */
  readonly deliverMs?: () => number;
}

/** A committed entry, decoded once for all replicas. */
export interface FakeEntry {
  readonly index: LogIndex;
  readonly time: Instant;
  readonly transactions: readonly Transaction[];
}

/** The transaction as it comes out of the log: through its encoding and back. */
function passed(transaction: Transaction): Transaction {
  const decoded = decodeTransaction(encodeTransaction(transaction));
  invariant(decoded.kind === 'ok', 'a transaction does not pass its own codec', { transaction });
  return decoded.transaction;
}

/**
 * The replicated log as one array in memory, in front of real state machines. It has the log's promises
 * (one order, whole entries, outcomes after the apply) and none of its machinery.
 */
export class FakeLog {
  readonly #options: FakeLogOptions;
  readonly #state = new State();
  readonly #replicas = new Set<FakeReplica>();
  #committed = 0 as LogIndex;
  #failure: ProposalFailure | undefined;

  constructor(options: FakeLogOptions) {
    this.#options = options;
  }

  /** The state with everything committed, ahead of what the replicas hold. */
  get view(): StateView {
    return this.#state.view;
  }

  get committed(): LogIndex {
    return this.#committed;
  }

  /** From now on, proposals fail like this; undefined ends it. */
  failWith(failure: ProposalFailure | undefined): void {
    this.#failure = failure;
  }

  /** A new replica, which starts from a snapshot of what is committed. */
  replica(): FakeReplica {
    const replica = new FakeReplica(this);
    this.attach(replica);
    return replica;
  }

  /** The replica hears nothing any more. */
  detach(replica: FakeReplica): void {
    this.#replicas.delete(replica);
  }

  /** The replica hears again, from a snapshot on. */
  attach(replica: FakeReplica): void {
    replica.restore(this.snapshot(), this.committed);
    this.#replicas.add(replica);
  }

  snapshot(): readonly Uint8Array[] {
    return [...this.#state.snapshot().chunks];
  }

  /** Commits at once; for tests that set the scene. */
  commit(transactions: readonly Transaction[]): AppliedEntry {
    const { clock } = this.#options;
    const index = (this.#committed + 1) as LogIndex;
    const entry: FakeEntry = { index, time: clock.now(), transactions: transactions.map(passed) };
    this.#committed = index;
    const applied = this.#state.applyTransactions(index, entry.time, entry.transactions);
    for (const replica of this.#replicas) this.#deliver(replica, entry);
    return applied;
  }

  /** Commits `changes` in one transaction of a user, or of the log itself. */
  write(changes: readonly Change[], kind: 'user' | 'system' = 'user'): Outcome {
    const transaction: Transaction = {
      id: newId(this.#options.random),
      actor: { kind, name: 'fake' },
      reason: 'the test says so',
      decidedAt: this.view.index,
      changes,
    };
    const [outcome] = this.commit([transaction]).outcomes;
    if (outcome === undefined) throw new Error('a transaction without an outcome');
    return outcome;
  }

  /** Resolves with the index once committed. */
  async propose(transactions: readonly Transaction[]): Promise<LogIndex | ProposalFailure> {
    const refused = this.#failing();
    if (refused !== undefined) return refused;
    await this.#pass(this.#options.commitMs);
    const lost = this.#failing();
    if (lost !== undefined) return { ...lost, code: 'unknown-outcome' };
    this.commit(transactions);
    return this.committed;
  }

  #failing(): ProposalFailure | undefined {
    return this.#failure;
  }

  #deliver(replica: FakeReplica, entry: FakeEntry): void {
    const delayMs = this.#options.deliverMs?.() ?? 0;
    if (delayMs === 0) replica.receive(entry);
    else this.#options.clock.after(delayMs, () => replica.receive(entry));
  }

  #pass(delayMs: (() => number) | undefined): Promise<void> {
    if (delayMs === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#options.clock.after(delayMs(), resolve));
  }
}

/** A replica of a {@link FakeLog}. Entries that overtook others wait for them. */
export class FakeReplica implements Replica {
  readonly #log: FakeLog;
  readonly #listeners = new Set<(event: ReplicaEvent) => void>();
  readonly #early = new Map<LogIndex, FakeEntry>();
  readonly #outcomes = new Map<string, (outcome: Outcome | undefined) => void>();
  readonly #waiting = new Set<() => void>();
  readonly #state = new State();
  #index = 0 as LogIndex;
  ready = true;

  constructor(log: FakeLog) {
    this.#log = log;
  }

  get view(): StateView {
    return this.#state.view;
  }

  subscribe(listener: (event: ReplicaEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async propose(transactions: readonly Transaction[]): Promise<ProposalResult> {
    const waits = transactions.map(
      ({ id }) => new Promise<Outcome | undefined>((resolve) => this.#outcomes.set(id, resolve)),
    );
    const result = await this.#log.propose(transactions);
    if (typeof result !== 'number') {
      for (const { id } of transactions) this.#outcomes.delete(id);
      return result;
    }
    const outcomes = (await Promise.all(waits)).filter((outcome) => outcome !== undefined);
    if (outcomes.length === transactions.length) return { kind: 'applied', outcomes };
    return { kind: 'failed', code: 'unknown-outcome', message: 'a snapshot hid the outcome' };
  }

  catchUp(): Promise<{ readonly kind: 'caught-up'; readonly index: LogIndex } | ProposalFailure> {
    const index = this.#log.committed;
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#index < index) return;
        this.#waiting.delete(look);
        resolve({ kind: 'caught-up', index });
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Replaces the whole state, as a follower that fell behind does. */
  restore(chunks: readonly Uint8Array[], index: LogIndex): void {
    const restore = this.#state.restore();
    for (const chunk of chunks) restore.push(chunk);
    restore.finish();
    this.#index = index;
    for (const early of this.#early.keys()) if (early <= index) this.#early.delete(early);
    this.#emit({ kind: 'reset', index });
    for (const settle of this.#outcomes.values()) settle(undefined);
    this.#outcomes.clear();
  }

  receive(entry: FakeEntry): void {
    if (entry.index <= this.#index) return;
    this.#early.set(entry.index, entry);
    const following = (): FakeEntry | undefined => this.#early.get((this.#index + 1) as LogIndex);
    for (let next = following(); next !== undefined; next = following()) {
      this.#early.delete(next.index);
      this.#index = next.index;
      this.#apply(next);
    }
  }

  #apply({ index, time, transactions }: FakeEntry): void {
    const entry = this.#state.applyTransactions(index, time, transactions);
    this.#emit({ kind: 'applied', entry });
    for (const outcome of entry.outcomes) {
      this.#outcomes.get(outcome.transaction)?.(outcome);
      this.#outcomes.delete(outcome.transaction);
    }
    for (const look of this.#waiting) look();
  }

  #emit(event: ReplicaEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** A lease written straight into a {@link FakeLog}; it never expires by itself. */
export class FakeLease implements LeaseSource {
  readonly #log: FakeLog;
  readonly #lease: Omit<Lease, 'meta'>;
  readonly #listeners = new Set<() => void>();
  #current: HeldLease | undefined;

  constructor(log: FakeLog, lease: Omit<Lease, 'meta'>) {
    this.#log = log;
    this.#lease = lease;
  }

  get current(): HeldLease | undefined {
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Grants a new epoch. */
  reclaim(): void {
    const meta = this.#log.view.leases.get(this.#lease.id)?.meta;
    const op = meta === undefined ? 'create' : 'update';
    const object = { ...this.#lease, meta: meta ?? emptyMeta };
    const outcome = this.#log.write([{ op, table: 'lease', object }], 'system');
    if (outcome.kind !== 'committed')
      throw new Error(`the lease was refused: ${outcome.refusal.kind}`);
    this.#set({ id: this.#lease.id, epoch: outcome.index });
  }

  /** The lease ends, as after an expiry. */
  expire(): void {
    const held = this.#log.view.leases.get(this.#lease.id);
    if (held !== undefined) {
      const { version } = held.meta;
      this.#log.write([{ op: 'delete', table: 'lease', id: held.id, version }], 'system');
    }
    this.#set(undefined);
  }

  #set(current: HeldLease | undefined): void {
    this.#current = current;
    for (const listener of this.#listeners) listener();
  }
}

const emptyMeta = { version: 0, createdAt: 0, updatedAt: 0 } as Lease['meta'];
