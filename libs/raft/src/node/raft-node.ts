import {
  type Clock,
  errorMessage,
  InvariantError,
  invariant,
  type Logger,
  type LogIndex,
  type Random,
  type Term,
  type Timer,
} from '@shoal/runtime';
import type { Event, Ready } from '../core/events.ts';
import type { Envelope } from '../core/messages.ts';
import { step } from '../core/raft.ts';
import { createRaft, isSoleVoter, type Raft, type Role } from '../core/state.ts';
import type { StateMachine } from '../machine.ts';
import type { LogStorage, StorageError, StoreResult, StoreWork } from '../storage.ts';
import type { Entry, SnapshotMeta, VoterId } from '../types.ts';
import { completeOptions, type RaftOptions } from './options.ts';
import { type Failure, failure, type ProposeOutcome, type ReadIndexOutcome } from './outcomes.ts';
import { PendingProposals } from './pending-proposals.ts';
import { PendingReads } from './pending-reads.ts';
import { Snapshots } from './snapshots.ts';
import { StorageHealth } from './storage-health.ts';
import type { Transport } from './transport.ts';

export interface RaftNodeStart {
  readonly id: VoterId;
  /** The voters of a brand new log; a log with a snapshot knows its own. */
  readonly voters: readonly VoterId[];
  /** From here on the node's: `stop` closes it. */
  readonly storage: LogStorage;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A sole voter needs none. */
  readonly transport?: Transport;
  readonly options?: Partial<RaftOptions>;
}

export interface RaftStatus {
  readonly id: VoterId;
  /** 0 when none is known. */
  readonly leader: VoterId | 0;
  readonly term: Term;
  readonly role: Role['kind'];
  readonly committed: LogIndex;
  readonly applied: LogIndex;
  /** Oldest and newest entry in memory; `first` is `last + 1` when there is none. */
  readonly first: LogIndex;
  readonly last: LogIndex;
  /** Index of the newest durable snapshot, 0 without one. */
  readonly snapshot: LogIndex;
  /** Why writes are refused, while they are. */
  readonly storageError: StorageError | undefined;
  /** Durable writes since the start, and the entries they carried: their ratio is the group commit. */
  readonly writes: number;
  readonly entriesWritten: number;
}

/**
 * A voter: drives the consensus core against a disk, a clock and a network, and applies what is
 * committed. While one write is under way everything that arrives is grouped into the next.
 * A broken invariant or a damaged file rejects where it happens and must end the process.
 */
export class RaftNode {
  readonly #raft: Raft;
  readonly #storage: LogStorage;
  readonly #machine: StateMachine;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #transport: Transport | undefined;
  readonly #options: RaftOptions;
  readonly #proposals = new PendingProposals();
  readonly #reads = new PendingReads();
  readonly #health: StorageHealth;
  readonly #snapshots: Snapshots;
  readonly #committedListeners = new Set<() => void>();
  readonly #leadershipListeners = new Set<(leading: boolean) => void>();
  #leading = false;
  #flushScheduled = false;
  #writing: Promise<void> | undefined;
  #installing: Promise<void> | undefined;
  #ticker: Timer | undefined;
  #state: 'running' | 'stopping' = 'running';
  #writes = 0;
  #entriesWritten = 0;

  private constructor(start: RaftNodeStart, options: RaftOptions) {
    const { storage, machine, clock, logger, random } = start;
    this.#storage = storage;
    this.#machine = machine;
    this.#clock = clock;
    this.#logger = logger;
    this.#transport = start.transport;
    this.#options = options;
    this.#raft = createRaft({
      id: start.id,
      voters: start.voters,
      ...storage.recovered,
      options,
      seed: Math.floor(random.next() * 2 ** 31),
    });
    const raft = this.#raft;
    this.#health = new StorageHealth({ storage, clock, logger, options }, () =>
      this.#drive({ kind: 'storage-cured' }),
    );
    this.#snapshots = new Snapshots({ raft, storage, machine, clock, logger, options }, (upTo) =>
      this.#drive({ kind: 'compacted', upTo }),
    );
  }

  /**
   * Restores the newest snapshot, applies what is known to be committed, and starts. A sole voter
   * leads and has applied its whole log when this resolves, unless its disk refuses writes.
   * @throws CorruptStorageError when the snapshot is damaged.
   */
  static async open(start: RaftNodeStart): Promise<RaftNode> {
    const { storage, machine, transport, id } = start;
    if (storage.recovered.snapshot !== undefined) await machine.restore(storage.readSnapshot());
    const node = new RaftNode(start, completeOptions(start.options));
    const { raft, logger } = { raft: node.#raft, logger: start.logger };
    invariant(isSoleVoter(raft) || transport !== undefined, 'several voters need a transport');
    transport?.start({
      received: (from, message, content) => node.#receive({ from, to: id, message }, content),
      snapshotLost: (to) => node.#drive({ kind: 'snapshot-lost', to }),
    });
    if (isSoleVoter(raft)) await node.#leadAlone();
    else node.#armTicker();
    const { term, role, applied, last } = node.status;
    logger.info({ id, term, role, applied, last }, 'log_opened');
    return node;
  }

  get status(): RaftStatus {
    const { id, leader, term, role, commit, applied, log } = this.#raft;
    return {
      id,
      leader,
      term,
      role: role.kind,
      committed: commit,
      applied,
      first: log.first,
      last: log.last,
      snapshot: this.#snapshots.newest,
      storageError: this.#health.error,
      writes: this.#writes,
      entriesWritten: this.#entriesWritten,
    };
  }

  /** Resolves once the entry is durable on a quorum and applied here. `data` must not change any more. */
  propose(data: Uint8Array): Promise<ProposeOutcome> {
    const refused = this.#refusal(data.length);
    if (refused !== undefined) return Promise.resolve(refused);
    const outcome = this.#proposals.add(data);
    this.#flushSoon();
    return outcome;
  }

  #refusal(bytes: number): Failure | undefined {
    const { entryBytesMax, pendingBytesMax, pendingProposalsMax } = this.#options;
    if (this.#state !== 'running') return stopping;
    if (bytes > entryBytesMax)
      return failure('too-large', `${bytes} bytes in one proposal; at most ${entryBytesMax} fit`);
    if (this.#health.error !== undefined) return this.#storageFailure();
    if (!this.#leading) return this.#noLeader();
    const full =
      this.#proposals.count >= pendingProposalsMax ||
      this.#proposals.bytes + bytes > pendingBytesMax;
    return full ? failure('busy', 'too many proposals wait for the log; try again') : undefined;
  }

  /** The log's position that a linearizable read must have reached. */
  readIndex(): Promise<ReadIndexOutcome> {
    if (this.#state !== 'running') return Promise.resolve(stopping);
    if (this.#reads.count >= this.#options.pendingReadsMax)
      return Promise.resolve(failure('busy', 'too many reads wait for the log; try again'));
    const outcome = this.#reads.add();
    this.#flushSoon();
    return outcome;
  }

  /** Applied entries after `index`, of every kind; at least one if there is one. */
  entriesAfter(
    index: LogIndex,
    maxBytes: number,
  ): { kind: 'entries'; entries: readonly Entry[] } | { kind: 'compacted' } {
    const { log, applied } = this.#raft;
    if (index < log.base.index) return { kind: 'compacted' };
    if (index >= applied) return { kind: 'entries', entries: [] };
    return { kind: 'entries', entries: log.slice(index, applied, maxBytes) };
  }

  /** The state as it is now, for a follower that then asks for the entries after `index`. */
  image(): { index: LogIndex; chunks: Iterable<Uint8Array> } {
    const { index, chunks } = this.#machine.snapshot();
    // Between the machine's index and the log's base lie empty entries only.
    return { index: Math.max(index, this.#raft.log.base.index) as LogIndex, chunks };
  }

  /** Calls `listener` whenever entries were applied. Returns the way to stop it. */
  onCommitted(listener: () => void): () => void {
    this.#committedListeners.add(listener);
    return () => this.#committedListeners.delete(listener);
  }

  /** Calls `listener` when this voter begins or ceases to lead, and at once if it leads already. */
  onLeadership(listener: (leading: boolean) => void): () => void {
    this.#leadershipListeners.add(listener);
    if (this.#leading) listener(true);
    return () => this.#leadershipListeners.delete(listener);
  }

  /** Stores what was accepted, fails what cannot be settled any more, and closes the storage. */
  async stop(): Promise<void> {
    if (this.#state === 'stopping') return;
    this.#flush();
    this.#state = 'stopping';
    this.#ticker?.cancel();
    this.#health.stop();
    // A write that is done may begin the next one: bounded by what was accepted before.
    while (this.#writing !== undefined) await this.#writing;
    await this.#snapshots.stop();
    await this.#installing;
    await this.#transport?.stop();
    this.#proposals.failWaiting(stopping);
    this.#proposals.failFrom(0 as LogIndex, unknownOutcome('the voter stopped'));
    this.#reads.failAll(stopping);
    await this.#storage.close();
  }

  /** Nobody else could win an election: no reason to wait for its timeout. */
  async #leadAlone(): Promise<void> {
    this.#drive({ kind: 'campaign' });
    while (this.#writing !== undefined) await this.#writing;
    invariant(this.#leading || this.#health.error !== undefined, 'a sole voter leads');
  }

  #armTicker(): void {
    if (this.#state !== 'running') return;
    this.#ticker = this.#clock.after(this.#options.tickMs, () => {
      this.#armTicker();
      this.#reads.tick(this.#options.electionTicks, this.#noLeader());
      this.#drive({ kind: 'tick' });
      this.#flush();
    });
  }

  /** Everyone who proposes or reads in this turn of the loop shares one step. */
  #flushSoon(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#state !== 'running') return;
    if (this.#proposals.hasWaiting)
      this.#drive({ kind: 'proposed', data: this.#proposals.waitingData() });
    const token = this.#reads.nextRound();
    if (token !== undefined) this.#drive({ kind: 'read-requested', token });
  }

  #receive(envelope: Envelope, content: AsyncIterable<Uint8Array> | undefined): void {
    if (this.#state !== 'running') return;
    this.#drive({ kind: 'received', from: envelope.from, message: envelope.message }, content);
  }

  #drive(event: Event, content?: AsyncIterable<Uint8Array>): void {
    const ready = step(this.#raft, event);
    if (ready.store !== undefined) this.#startWrite(ready.store);
    // Before applying: a snapshot message speaks of the state as it was before this step.
    for (const envelope of ready.send) this.#send(envelope);
    this.#settleProposed(ready);
    this.#apply(ready.apply);
    this.#noteLeadership();
    for (const read of ready.reads) this.#reads.answered(read, this.#noLeader());
    if (ready.reads.length > 0) this.#flushSoon();
    if (ready.install !== undefined) this.#startInstall(ready.install, content);
  }

  #startWrite(work: StoreWork): void {
    invariant(this.#writing === undefined, 'one write at a time');
    this.#writing = this.#storage.store(work).then((result) => {
      this.#writing = undefined;
      if (result.kind === 'failed') {
        this.#health.refused(result.error);
        this.#drive({ kind: 'store-refused' });
        return;
      }
      this.#writes += 1;
      this.#entriesWritten += work.entries.length;
      this.#health.stored();
      this.#drive({ kind: 'stored' });
    });
  }

  #send(envelope: Envelope): void {
    invariant(this.#transport !== undefined, 'only several voters talk', { to: envelope.to });
    if (envelope.message.kind === 'snapshot')
      this.#transport.send(envelope, this.#machine.snapshot().chunks);
    else this.#transport.send(envelope);
  }

  #settleProposed({ proposed, droppedFrom }: Ready): void {
    if (proposed?.kind === 'appended') this.#proposals.appended(proposed.first);
    else if (proposed !== undefined) {
      const storage = proposed.reason === 'storage';
      this.#proposals.failWaiting(storage ? this.#storageFailure() : this.#noLeader());
    }
    if (droppedFrom === undefined) return;
    // Others may have received what this disk refused, and commit it yet.
    const alone = isSoleVoter(this.#raft);
    const outcome = alone ? this.#storageFailure() : unknownOutcome(this.#storageFailure().message);
    this.#proposals.failFrom(droppedFrom, outcome);
  }

  #apply(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    for (const entry of entries) if (entry.kind === 'normal') this.#machine.apply(entry);
    this.#proposals.applied(last.index);
    for (const listener of this.#committedListeners) listener();
    this.#snapshots.applied();
  }

  #noteLeadership(): void {
    const leading = this.#raft.role.kind === 'leader';
    if (leading === this.#leading) return;
    this.#leading = leading;
    this.#logger.info({ term: this.#raft.term, leading }, 'log_leadership');
    if (!leading) {
      this.#proposals.failFrom(0 as LogIndex, unknownOutcome('this voter no longer leads'));
      this.#proposals.failWaiting(this.#noLeader());
    }
    for (const listener of this.#leadershipListeners) listener(leading);
  }

  #startInstall(meta: SnapshotMeta, content: AsyncIterable<Uint8Array> | undefined): void {
    this.#installing = this.#install(meta, content).finally(() => {
      this.#installing = undefined;
    });
  }

  /** Saves a leader's snapshot and only then restores it: a crash between finds it on the disk. */
  async #install(
    meta: SnapshotMeta,
    content: AsyncIterable<Uint8Array> | undefined,
  ): Promise<void> {
    const chunks: Uint8Array[] = [];
    const result = content && (await this.#saveForInstall(meta, keep(content, chunks)));
    if (result?.kind !== 'stored') {
      this.#logger.warn({ index: meta.index, result }, 'log_install_failed');
      this.#drive({ kind: 'install-failed' });
      return;
    }
    await this.#machine.restore(keep(chunks, []));
    this.#snapshots.installed(meta.index);
    this.#drive({ kind: 'installed' });
    this.#logger.info({ index: meta.index, term: meta.term }, 'log_installed');
    for (const listener of this.#committedListeners) listener();
  }

  /** The content comes from another voter: that it ends half-way is nothing special. */
  async #saveForInstall(
    meta: SnapshotMeta,
    content: AsyncIterable<Uint8Array>,
  ): Promise<StoreResult> {
    try {
      return await this.#storage.saveSnapshot(meta, content);
    } catch (thrown) {
      if (thrown instanceof InvariantError) throw thrown;
      return { kind: 'failed', error: { kind: 'refused', message: errorMessage(thrown) } };
    }
  }

  #storageFailure(): Failure {
    const reason = this.#health.error?.message ?? 'the disk refused the write';
    return failure('storage', `the log cannot be written: ${reason}`);
  }

  #noLeader(): Failure {
    const { leader } = this.#raft;
    const where = leader === 0 ? 'no leader is known' : `voter ${leader} leads`;
    return failure('no-leader', `this voter does not lead the log; ${where}`);
  }
}

const stopping = failure('no-leader', 'the voter is stopping');

function unknownOutcome(why: string): Failure {
  return failure('unknown-outcome', `${why}; the proposal may still be committed`);
}

async function* keep(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  into: Uint8Array[],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    into.push(chunk);
    yield chunk;
  }
}
