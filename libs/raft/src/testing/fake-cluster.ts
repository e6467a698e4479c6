import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import type { Event, Ready } from '../core/events.ts';
import type { Envelope } from '../core/messages.ts';
import { step } from '../core/raft.ts';
import { type CoreOptions, createRaft, isRemoved, type Raft } from '../core/state.ts';
import type { StoreWork } from '../storage.ts';
import type { Entry, HardState, Member, Membership, SnapshotMeta, VoterId } from '../types.ts';
import { SafetyChecker } from './safety-checker.ts';
import { describeEntry, describeMembership, describeMessage } from './trace.ts';

/** A member as the fakes name it. */
export function fakeMember(id: VoterId): Member {
  return { id, nodeId: `node-${id}`, addr: `10.0.0.${id}:2377` };
}

export function fakeMembership(
  voters: readonly VoterId[],
  learners: readonly VoterId[] = [],
): Membership {
  return { voters: voters.map(fakeMember), learners: learners.map(fakeMember) };
}

/** One voter of a {@link FakeCluster}: a real core, a disk and a state machine of two fields. */
export interface FakeVoter {
  readonly id: VoterId;
  /** What it is told of the others at every start. */
  readonly told: Membership;
  /** `undefined` while the voter is down. */
  raft: Raft | undefined;
  readonly disk: {
    hardState: HardState | undefined;
    snapshot: SnapshotMeta | undefined;
    entries: Entry[];
  };
  /** Handed out and not yet on the disk; lost at a crash. */
  writing: StoreWork | undefined;
  diskMode: 'prompt' | 'held' | 'refusing';
}

/**
 * Several cores with fake disks and a fake network in one thread. Nothing happens by itself: every
 * tick, delivery and write is called for, so that scripts and random schedules decide the order.
 * The {@link SafetyChecker} watches every step.
 */
export class FakeCluster {
  readonly voters = new Map<VoterId, FakeVoter>();
  readonly checker = new SafetyChecker();
  network: Envelope[] = [];
  readonly #trace: (line: string) => void;
  #options: CoreOptions = { electionTicks: 10, heartbeatTicks: 1, appendBytesMax: 4096 };
  #sides = new Map<VoterId, number>();
  /** `from>to`: nothing gets through this way. */
  #cut = new Set<string>();

  constructor(trace: (line: string) => void = () => {}) {
    this.#trace = trace;
  }

  add(id: VoterId, told: Membership, disk: Partial<FakeVoter['disk']> = {}): void {
    invariant(!this.voters.has(id), 'a voter is added once', { id });
    this.voters.set(id, {
      id,
      told,
      raft: undefined,
      disk: { hardState: disk.hardState, snapshot: disk.snapshot, entries: disk.entries ?? [] },
      writing: undefined,
      diskMode: 'prompt',
    });
    this.start(id);
  }

  /** For voters that start from now on; an append carries one entry at least. */
  limitAppends(bytes: number): void {
    this.#options = { ...this.#options, appendBytesMax: bytes };
  }

  /** For voters that start from now on. */
  leaseReads(ms: number): void {
    this.#options = { ...this.#options, readLeaseMs: ms };
  }

  voter(id: VoterId): FakeVoter {
    const voter = this.voters.get(id);
    invariant(voter !== undefined, 'no such voter', { id });
    return voter;
  }

  /** The core of a voter that is up. */
  core(id: VoterId): Raft {
    const { raft } = this.voter(id);
    invariant(raft !== undefined, 'the voter is down', { id });
    return raft;
  }

  /** `alone`: the others are given up. */
  start(id: VoterId, alone = false): void {
    const voter = this.voter(id);
    invariant(voter.raft === undefined, 'the voter is up already', { id });
    const { disk, told: membership } = voter;
    const seed = id * 7919;
    voter.raft = createRaft({ id, membership, alone, ...disk, options: this.#options, seed });
  }

  /** Loses the memory and the write under way. */
  crash(id: VoterId): void {
    const voter = this.voter(id);
    voter.raft = undefined;
    voter.writing = undefined;
  }

  /** Voters on different sides do not reach each other; what is under way between them is lost. */
  partition(sides: readonly (readonly VoterId[])[]): void {
    this.#sides = new Map(sides.flatMap((side, at) => side.map((id) => [id, at])));
    this.network = this.network.filter(({ from, to }) => this.#connected(from, to));
  }

  /** Nothing gets from `from` to `to` any more; the other way is open. */
  cut(from: VoterId, to: VoterId): void {
    this.#cut.add(`${from}>${to}`);
    this.network = this.network.filter((envelope) => this.#connected(envelope.from, envelope.to));
  }

  heal(): void {
    this.#sides.clear();
    this.#cut.clear();
  }

  #connected(from: VoterId, to: VoterId): boolean {
    return this.#sides.get(from) === this.#sides.get(to) && !this.#cut.has(`${from}>${to}`);
  }

  step(id: VoterId, event: Event): Ready {
    const raft = this.core(id);
    const before = { role: raft.role.kind, term: raft.term };
    const knew = { membership: raft.memberships.newest.membership, removed: isRemoved(raft) };
    if (event.kind === 'read-requested') this.checker.readAsked(id, event.token);
    const ready = step(raft, event);
    if (raft.role.kind !== before.role || raft.term !== before.term)
      this.#trace(`${id} is ${raft.role.kind} in term ${raft.term}`);
    this.#traceMembership(raft, knew);
    this.checker.stepped(raft, ready);
    this.#take(id, ready);
    return ready;
  }

  #traceMembership(raft: Raft, knew: { membership: Membership; removed: boolean }): void {
    const { membership } = raft.memberships.newest;
    if (JSON.stringify(membership) !== JSON.stringify(knew.membership))
      this.#trace(`${raft.id} knows ${describeMembership(membership)}`);
    if (isRemoved(raft) && !knew.removed) this.#trace(`${raft.id} is removed`);
  }

  #take(id: VoterId, ready: Ready): void {
    const voter = this.voter(id);
    for (const envelope of ready.send) {
      if (this.#connected(envelope.from, envelope.to)) this.network.push(envelope);
    }
    if (ready.proposed !== undefined) {
      const { proposed } = ready;
      this.#trace(
        proposed.kind === 'appended'
          ? `${id} appended ${proposed.first}/${proposed.term}`
          : `${id} refused: ${proposed.kind === 'unfit' ? proposed.message : proposed.reason}`,
      );
    }
    if (ready.droppedFrom !== undefined) this.#trace(`${id} dropped from ${ready.droppedFrom}`);
    for (const entry of ready.apply) this.#trace(`${id} applies ${describeEntry(entry)}`);
    for (const read of ready.reads)
      this.#trace(
        read.kind === 'confirmed'
          ? `${id} may answer read ${read.token} at ${read.index}`
          : `${id} cannot answer read ${read.token}`,
      );
    if (ready.install !== undefined) this.#install(voter, ready.install);
    if (ready.store === undefined) return;
    invariant(voter.writing === undefined, 'one write at a time', { id });
    voter.writing = ready.store;
    if (voter.diskMode !== 'held') this.finishWrite(id);
  }

  #install(voter: FakeVoter, snapshot: SnapshotMeta): void {
    this.#trace(`${voter.id} installs snapshot ${snapshot.index}/${snapshot.term}`);
    voter.disk.snapshot = snapshot;
    voter.disk.entries = [];
    this.step(voter.id, { kind: 'installed' });
  }

  /** The write under way reaches the disk, or is refused by it. */
  finishWrite(id: VoterId): void {
    const voter = this.voter(id);
    const { writing, disk } = voter;
    if (writing === undefined) return;
    voter.writing = undefined;
    if (voter.diskMode === 'refusing') {
      this.#trace(`${id} disk refuses`);
      this.step(id, { kind: 'store-refused' });
      return;
    }
    disk.hardState = writing.hardState ?? disk.hardState;
    const [first] = writing.entries;
    if (first !== undefined) {
      const base = disk.snapshot?.index ?? 0;
      const kept = disk.entries.filter((entry) => entry.index < first.index);
      const fresh = writing.entries.filter((entry) => entry.index > base);
      disk.entries = [...kept, ...fresh];
    }
    this.step(id, { kind: 'stored' });
  }

  /** A durable snapshot at what is applied; entries up to `upTo` leave the log and the disk. */
  compact(id: VoterId, upTo: LogIndex): void {
    const raft = this.core(id);
    const term = raft.log.termAt(raft.applied) ?? (0 as Term);
    const { disk } = this.voter(id);
    const { membership } = raft.memberships.at(raft.applied);
    disk.snapshot = { index: raft.applied, term, membership };
    disk.entries = disk.entries.filter((entry) => entry.index > raft.applied);
    this.step(id, { kind: 'compacted', upTo });
  }

  /** Delivers the message at `at` of {@link network}; one to a voter that is down is lost. */
  deliverAt(at: number): void {
    const [envelope] = this.network.splice(at, 1);
    if (envelope === undefined) return;
    this.deliver(envelope);
  }

  deliver({ from, to, message }: Envelope): void {
    const voter = this.voter(to);
    if (voter.raft === undefined) {
      this.#trace(`${from}->${to} lost: ${describeMessage(message)}`);
      return;
    }
    this.#trace(`${from}->${to} ${describeMessage(message)}`);
    this.step(to, { kind: 'received', from, message });
  }

  /** Delivers everything, and what that gives rise to. Bounded: a live-lock fails. */
  settle(stepsMax = 10_000): void {
    for (let steps = 0; this.network.length > 0; steps += 1) {
      invariant(steps < stepsMax, 'the cluster does not come to rest', { steps });
      this.deliverAt(0);
    }
  }
}
