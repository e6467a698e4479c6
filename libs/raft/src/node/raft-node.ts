import {
  type Clock,
  invariant,
  type Logger,
  type LogIndex,
  type Monotonic,
  type Timer,
} from '@shoal/runtime';
import type { RecordCipher } from '../cipher.ts';
import type { Event, Proposed, Ready } from '../core/events.ts';
import type { Envelope } from '../core/messages.ts';
import { step } from '../core/raft.ts';
import { createRaft, isSoleVoter, type Raft } from '../core/state.ts';
import type { StateMachine } from '../machine.ts';
import type { LogStorage, StoreWork } from '../storage.ts';
import type { Entry, Membership, MembershipChange, SnapshotMeta, VoterId } from '../types.ts';
import { HandOver } from './hand-over.ts';
import { Installation } from './installation.ts';
import { Listeners } from './listeners.ts';
import { Notices } from './notices.ts';
import { completeOptions, type RaftOptions } from './options.ts';
import {
  type ChangeOutcome,
  type Failure,
  failure,
  type ProposeOutcome,
  type ReadIndexOutcome,
  refused,
  stopping,
  type TransferOutcome,
  transferring,
  unknownOutcome,
} from './outcomes.ts';
import { Outgoing } from './outgoing.ts';
import { PendingProposals } from './pending-proposals.ts';
import { PendingReads } from './pending-reads.ts';
import { type SnapshotHabit, Snapshots } from './snapshots.ts';
import type { RaftNodeStart } from './start.ts';
import { coreStatus, notLeading, type RaftStatus } from './status.ts';
import { StorageHealth } from './storage-health.ts';
import type { Transport } from './transport.ts';

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
  readonly #reads: PendingReads;
  readonly #health: StorageHealth;
  readonly #snapshots: Snapshots;
  readonly #installation: Installation;
  readonly #handOver: HandOver;
  readonly #outgoing = new Outgoing((envelope) => this.#send(envelope));
  readonly #committed = new Listeners<[]>();
  readonly #notices: Notices;
  readonly #observer: RaftNodeStart['observer'];
  #flushScheduled = false;
  #writing: Promise<void> | undefined;
  #ticker: Timer | undefined;
  #stopped: Promise<void> | undefined;
  #state: 'running' | 'stopping' = 'running';
  #writes = 0;
  #entriesWritten = 0;

  private constructor(start: RaftNodeStart, options: RaftOptions) {
    const { storage, machine, clock, logger, random } = start;
    this.#reads = new PendingReads(random);
    this.#storage = storage;
    this.#machine = machine;
    this.#clock = clock;
    this.#logger = logger;
    this.#transport = start.transport;
    this.#observer = start.observer;
    this.#options = options;
    this.#raft = createRaft({
      id: start.id,
      membership: start.membership,
      alone: start.recovery === 'new-cluster',
      ...storage.recovered,
      options,
      seed: Math.floor(random.next() * 2 ** 31),
    });
    const raft = this.#raft;
    this.#notices = new Notices(raft, logger, start.transport);
    this.#health = new StorageHealth({ storage, clock, logger, options }, () =>
      this.#drive({ kind: 'storage-cured' }),
    );
    this.#snapshots = new Snapshots({ raft, storage, machine, clock, logger, options }, (upTo) =>
      this.#drive({ kind: 'compacted', upTo }),
    );
    this.#installation = new Installation({ storage, machine, logger }, (meta, installed) =>
      this.#noteInstalled(meta, installed),
    );
    this.#handOver = new HandOver(options.electionTicks);
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
    const raft = node.#raft;
    const { logger } = start;
    invariant(isSoleVoter(raft) || transport !== undefined, 'several voters need a transport');
    transport?.start({
      received: (from, message, content) => node.#receive({ from, to: id, message }, content),
      snapshotLost: (to) => node.#drive({ kind: 'snapshot-lost', to }),
    });
    node.#notices.tellTransport();
    if (isSoleVoter(raft)) await node.#leadAlone();
    if (start.recovery === 'new-cluster') node.#checkAlone();
    node.#armTicker();
    node.#snapshots.takeIfDue();
    const { term, role, applied, last } = node.status;
    logger.info({ id, term, role, applied, last }, 'log_opened');
    return node;
  }

  get status(): RaftStatus {
    return {
      ...coreStatus(this.#raft),
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
    if (!this.#notices.leading) return notLeading(this.#raft);
    const full =
      this.#proposals.count >= pendingProposalsMax ||
      this.#proposals.bytes + bytes > pendingBytesMax;
    return full ? failure('busy', 'too many proposals wait for the log; try again') : undefined;
  }

  get membership(): Membership {
    return this.#notices.membership;
  }

  /**
   * Changes the membership by one member; resolves when the change is committed. `busy`: not now;
   * `refused`: not at all.
   */
  changeMembership(change: MembershipChange): Promise<ChangeOutcome> {
    return this.#proposeOne({ kind: 'membership-proposed', change });
  }

  #proposeOne(event: Event): Promise<ChangeOutcome> {
    if (this.#state !== 'running') return Promise.resolve(stopping);
    if (this.#health.error !== undefined) return Promise.resolve(this.#storageFailure());
    // What waits goes first: entries are settled in the order of the log.
    this.#flush();
    const { promise, resolve } = Promise.withResolvers<ChangeOutcome>();
    this.#onOne = (proposed) => {
      this.#onOne = undefined;
      if (proposed.kind === 'appended')
        void this.#proposals.addAppended(new Uint8Array(0), proposed.first).then(resolve);
      else if (proposed.kind === 'refused') resolve(this.#refusalOf(proposed.reason));
      else resolve({ ...proposed, kind: 'failed' });
    };
    this.#drive(event);
    invariant(this.#onOne === undefined, 'what was proposed is answered', { kind: event.kind });
    return promise;
  }

  /** Answers the one proposal that is not among the waiting ones. */
  #onOne: ((proposed: Proposed) => void) | undefined;

  /** Hands leadership to the voter `to`, by default to the one that is furthest. */
  async transferLeadership(to?: VoterId): Promise<TransferOutcome> {
    if (!this.#notices.leading) return notLeading(this.#raft);
    if (this.#handOver.underWay) return transferring;
    this.#drive({ kind: 'transfer-requested', to });
    const { role } = this.#raft;
    if (role.kind !== 'leader' || role.transfer === undefined)
      return refused('there is no other voter within reach to lead');
    return this.#handOver.begin(role.transfer.to);
  }

  /** Calls `listener` with the membership in effect, now and when it changes. */
  onMembership(listener: (membership: Membership) => void): () => void {
    listener(this.#notices.membership);
    return this.#notices.memberships.add(listener);
  }

  /** Calls `listener` once this voter is certain to be no member any more. */
  onRemoved(listener: () => void): () => void {
    if (this.#notices.removed) listener();
    return this.#notices.removals.add(listener);
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

  /**
   * From now on a snapshot is taken every so many `entries`; so many `older` ones stay beside the newest, and so
   * many entries before it in memory `forFollowers` that lag, where that is more than is kept anyway.
   */
  keepSnapshots({ entries, older, forFollowers }: SnapshotHabit): void {
    if (entries > 0) this.#snapshots.every(entries);
    this.#snapshots.keep(forFollowers);
    this.#storage.keepSnapshots(older);
  }

  /** Writes under this cipher's newest key from here on; what is under older ones goes soon. */
  rotate(cipher: RecordCipher): void {
    this.#storage.rotate(cipher);
    this.#snapshots.takeIfDue();
  }

  /** Calls `listener` whenever entries were applied. Returns the way to stop it. */
  onCommitted(listener: () => void): () => void {
    return this.#committed.add(listener);
  }

  /** Calls `listener` when this voter begins or ceases to lead, and at once if it leads already. */
  onLeadership(listener: (leading: boolean) => void): () => void {
    if (this.#notices.leading) listener(true);
    return this.#notices.leadership.add(listener);
  }

  /**
   * A leader hands over first. Stores what was accepted, fails what cannot be settled any more, and closes
   * the storage.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#flush();
    // So that the others need not find out that their leader is gone.
    if (this.#notices.leading && !isSoleVoter(this.#raft)) await this.transferLeadership();
    this.#state = 'stopping';
    this.#ticker?.cancel();
    this.#health.stop();
    // A write that is done may begin the next one: bounded by what was accepted before.
    while (this.#writing !== undefined) await this.#writing;
    await this.#snapshots.stop();
    await this.#installation.finished();
    this.#outgoing.flush();
    await this.#transport?.stop();
    this.#handOver.end(stopping);
    this.#proposals.failWaiting(stopping);
    this.#proposals.failFrom(0 as LogIndex, unknownOutcome('the voter stopped'));
    this.#reads.failAll(stopping);
    await this.#storage.close();
  }

  /** That the others are given up is in the log now, or the start has failed. */
  #checkAlone(): void {
    const { memberships, commit, id } = this.#raft;
    const { index } = memberships.newest;
    if (index === 0 || index > commit) throw new Error(this.#storageFailure().message);
    this.#logger.warn({ id, index }, 'log_goes_on_alone');
  }

  /** Nobody else could win an election: no reason to wait for its timeout. */
  async #leadAlone(): Promise<void> {
    this.#drive({ kind: 'campaign' });
    while (this.#writing !== undefined) await this.#writing;
    invariant(this.#notices.leading || this.#health.error !== undefined, 'a sole voter leads');
  }

  #armTicker(): void {
    if (this.#state !== 'running') return;
    this.#ticker = this.#clock.after(this.#options.tickMs, () => {
      this.#armTicker();
      this.#reads.tick(this.#options.electionTicks, notLeading(this.#raft));
      this.#drive({ kind: 'tick', at: this.#clockForLeases() });
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
    if (token !== undefined) {
      const at = this.#clockForLeases();
      this.#drive({ kind: 'read-requested', token, at });
    }
  }

  #clockForLeases(): Monotonic | undefined {
    return this.#options.readLeaseMs === undefined ? undefined : this.#clock.monotonic();
  }

  #receive(envelope: Envelope, content: AsyncIterable<Uint8Array> | undefined): void {
    if (this.#state !== 'running') return;
    const { from, message } = envelope;
    this.#drive({ kind: 'received', from, message, at: this.#clockForLeases() }, content);
  }

  #drive(event: Event, content?: AsyncIterable<Uint8Array>): void {
    const ready = step(this.#raft, event);
    this.#observer?.(this.#raft, ready);
    // First of all: what is sent may be for a member that is new.
    this.#notices.noteMembership();
    if (ready.store !== undefined) this.#startWrite(ready.store);
    // Before applying: a snapshot message speaks of the state as it was before this step.
    for (const envelope of ready.send) this.#outgoing.push(envelope);
    this.#settleProposed(ready);
    this.#apply(ready.apply);
    this.#noteLeadership();
    this.#handOver.note(this.#raft, event.kind === 'tick');
    this.#notices.noteRemoval();
    for (const read of ready.reads) this.#reads.answered(read, notLeading(this.#raft));
    if (ready.reads.length > 0) this.#flushSoon();
    if (ready.install !== undefined) this.#installation.start(ready.install, content);
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
    if (proposed !== undefined && this.#onOne !== undefined) this.#onOne(proposed);
    else if (proposed?.kind === 'appended') this.#proposals.appended(proposed.first);
    else if (proposed?.kind === 'refused')
      this.#proposals.failWaiting(this.#refusalOf(proposed.reason));
    if (droppedFrom === undefined) return;
    // Others may have received what this disk refused, and commit it yet: then this voter leads no more.
    const alone = this.#raft.role.kind === 'leader';
    const outcome = alone ? this.#storageFailure() : unknownOutcome(this.#storageFailure().message);
    this.#proposals.failFrom(droppedFrom, outcome);
  }

  #refusalOf(reason: Extract<Proposed, { kind: 'refused' }>['reason']): Failure {
    if (reason === 'storage') return this.#storageFailure();
    return reason === 'transferring' ? transferring : notLeading(this.#raft);
  }

  #apply(entries: readonly Entry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    for (const entry of entries) if (entry.kind === 'normal') this.#machine.apply(entry);
    this.#proposals.applied(last.index);
    this.#committed.call();
    this.#snapshots.takeIfDue();
  }

  #noteLeadership(): void {
    if (!this.#notices.noteLeadership() || this.#notices.leading) return;
    this.#proposals.failFrom(0 as LogIndex, unknownOutcome('this voter no longer leads'));
    this.#proposals.failWaiting(notLeading(this.#raft));
  }

  #noteInstalled({ index }: SnapshotMeta, installed: boolean): void {
    if (installed) this.#snapshots.installed(index);
    this.#drive({ kind: installed ? 'installed' : 'install-failed' });
    if (!installed) return;
    this.#committed.call();
    this.#snapshots.takeIfDue();
  }

  #storageFailure(): Failure {
    const reason = this.#health.error?.message ?? 'the disk refused the write';
    return failure('storage', `the log cannot be written: ${reason}`);
  }
}
