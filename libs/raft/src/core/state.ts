import { invariant, type LogIndex, type Monotonic, type Term } from '@shoal/runtime';
import type { Entry, HardState, Membership, SnapshotMeta, VoterId } from '../types.ts';
import type { Proposed, ReadOutcome } from './events.ts';
import { Log } from './log.ts';
import { idsOf, Memberships, memberOf } from './membership.ts';
import type { Envelope, Message } from './messages.ts';
import type { Progress } from './progress.ts';

/** A read waiting for a quorum to confirm that this voter still led when it was asked. */
export interface PendingRead {
  readonly requester: VoterId;
  readonly token: number;
  readonly index: LogIndex;
  readonly round: number;
}

export interface Leading {
  readonly kind: 'leader';
  /** Progress of each member, itself included, and of those that leave until they know it. */
  readonly progress: Map<VoterId, Progress>;
  /** Removed members, with the entry that removes them: they are still sent that one. */
  readonly leaving: Map<VoterId, Leaving>;
  /** Leadership is being handed over; nothing is proposed meanwhile. */
  transfer: { readonly to: VoterId; elapsed: number; told: boolean } | undefined;
  heartbeatElapsed: number;
  /** See {@link ReadLease}; undefined while there must be none. */
  lease: ReadLease | undefined;
  /** Number of the newest heartbeat broadcast. */
  round: number;
  reads: PendingRead[];
  /** Asked before the first entry of this term was committed: `quorumCommit` may lag until then (thesis, 6.4). */
  earlyReads: { readonly requester: VoterId; readonly token: number }[];
}

/**
 * Whoever answered a heartbeat helps nobody to lead for a while. Until the first of a quorum might, the
 * leader answers reads without asking (thesis, 6.4.1).
 */
export interface ReadLease {
  readonly ms: number;
  /** When each round of heartbeats began that may still be confirmed. */
  readonly rounds: Map<number, Monotonic>;
}

export interface Leaving {
  readonly index: LogIndex;
  /** Quorum checks since then; after some the member is forgotten, whether it knows or not. */
  checks: number;
}

export interface Standing {
  /** A pre-candidate asks whether it could win before it raises its term. */
  readonly kind: 'pre-candidate' | 'candidate';
  readonly votes: Map<VoterId, boolean>;
  /** The leader asked this voter to take over. */
  readonly transfer: boolean;
}

export type Role = { readonly kind: 'follower' } | Standing | Leading;

/** A message that says something about the disk, and the write that must be durable first. */
interface Held {
  readonly envelope: Envelope;
  readonly write: number;
}

export interface CoreOptions {
  /** Ticks without a leader before an election; the real timeout is random in [this, 2 × this). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Bound on the entries of one append message, bytes. */
  readonly appendBytesMax: number;
  /**
   * How long a confirmed round of heartbeats spares reads a round of their own, milliseconds; absent means
   * that every read is confirmed. Safe as long as no two clocks differ in rate by more than the election
   * timeout is longer than this.
   */
  readonly readLeaseMs?: number | undefined;
}

/**
 * One voter's consensus state. Only `step` and what it calls change it.
 * Invariant: applied <= commit <= log.stable, and commit <= quorumCommit.
 */
export interface Raft {
  readonly id: VoterId;
  readonly options: CoreOptions;
  readonly log: Log;
  readonly memberships: Memberships;
  /** The voters of the membership in effect. */
  voters: readonly VoterId[];
  /** A committed entry made this voter a member: one that no longer names it has removed it. */
  wasMember: boolean;
  /** Another voter knows that this one was removed. */
  toldRemoved: boolean;
  term: Term;
  vote: VoterId | 0;
  role: Role;
  /** 0 when none is known in `term`. */
  leader: VoterId | 0;
  /** Known to be on the disks of a quorum. */
  quorumCommit: LogIndex;
  /** Committed and on this voter's own disk. */
  commit: LogIndex;
  /** Handed out to be applied. */
  applied: LogIndex;
  /** Voters heard from since the last election timeout, and between that and the one before. */
  heard: { readonly lately: Set<VoterId>; readonly before: ReadonlySet<VoterId> };
  electionElapsed: number;
  electionTimeout: number;
  /** Ticks since a leader was last heard from, whatever came of it since; also counted from the start. */
  leaderSilence: number;
  /** Time of the event at hand; undefined where that carries none. */
  now: Monotonic | undefined;
  /** State of the generator that draws election timeouts. */
  seed: number;
  /** What the disk holds, and what the write under way will make it hold. */
  durable: HardState;
  storing: HardState | undefined;
  /** Writes handed out so far, numbered from 1. */
  writes: number;
  refused: boolean;
  installing: SnapshotMeta | undefined;
  /** Tokens of reads that were passed on to the leader. */
  readonly forwardedReads: Set<number>;
  readonly out: Outbox;
}

/** What the events since the last Ready gave rise to. */
export interface Outbox {
  send: Envelope[];
  /** Made by the current step, to be held for the write that covers it. */
  afterStore: Envelope[];
  held: Held[];
  reads: ReadOutcome[];
  proposed: Proposed | undefined;
  droppedFrom: LogIndex | undefined;
  install: SnapshotMeta | undefined;
}

export interface RaftStart {
  readonly id: VoterId;
  /** Used only while neither snapshot nor entries name one. */
  readonly membership: Membership;
  /** Whatever the log says, this voter is the only one: the others are lost for good. Its first entry says so. */
  readonly alone?: boolean;
  readonly hardState: HardState | undefined;
  readonly snapshot: SnapshotMeta | undefined;
  /** All entries after the snapshot. */
  readonly entries: readonly Entry[];
  readonly options: CoreOptions;
  /** Chance for the election timeouts: any integer, another one on every voter. */
  readonly seed: number;
}

/**
 * The voters that were given up may still run, and go through terms of their own. Whoever goes on alone
 * leaps past all of these, so that no term is led twice and the others give way when they come back.
 */
const recoveryTermLeap = 1_000_000;

/** A voter as it comes up from its disk: a follower that knows no leader. */
export function createRaft(start: RaftStart): Raft {
  const { id, snapshot, options } = start;
  invariant(id !== 0, 'a voter has a number');
  invariant(options.electionTicks > options.heartbeatTicks, 'heartbeats outpace elections', {
    ...options,
  });
  invariant(start.membership.voters.length > 0, 'a membership has voters');
  const base = { index: snapshot?.index ?? 0, term: snapshot?.term ?? 0 } as const;
  const log = new Log({ index: base.index as LogIndex, term: base.term as Term }, start.entries);
  const nothing = { term: 0 as Term, vote: 0 as const, commit: 0 as LogIndex };
  const hardState: HardState = start.hardState ?? nothing;
  const lastTerm = log.lastPosition.term;
  // A crash right after a leader's snapshot was saved leaves a term behind it. No vote was given in
  // a term that was never written down.
  const behind = hardState.term < lastTerm;
  const term = behind ? lastTerm : hardState.term;
  const alone = start.alone === true;
  const memberships = membershipsOf(start, log);
  const voters = idsOf(memberships.newest.membership.voters);
  invariant(!behind || start.entries.length === 0, 'the term covers the entries', { lastTerm });
  invariant(hardState.commit <= log.last, 'commit is in the log', { ...hardState, last: log.last });
  // A sole voter's disk is the quorum: all it holds is committed.
  const known = isSole(voters, id) ? log.last : Math.max(hardState.commit, base.index);
  const raft: Raft = {
    id,
    options,
    log,
    memberships,
    voters,
    wasMember: start.membership.voters.some((voter) => voter.id === id),
    toldRemoved: false,
    term: (alone ? term + recoveryTermLeap : term) as Term,
    vote: behind || alone ? 0 : hardState.vote,
    role: { kind: 'follower' },
    leader: 0,
    quorumCommit: known as LogIndex,
    commit: known as LogIndex,
    applied: log.base.index,
    heard: { lately: new Set(), before: new Set() },
    electionElapsed: 0,
    electionTimeout: options.electionTicks,
    leaderSilence: 0,
    now: undefined,
    seed: start.seed | 0 || 1,
    durable: hardState,
    storing: undefined,
    writes: 0,
    refused: false,
    installing: undefined,
    forwardedReads: new Set(),
    out: {
      send: [],
      afterStore: [],
      held: [],
      reads: [],
      proposed: undefined,
      droppedFrom: undefined,
      install: undefined,
    },
  };
  resetElectionTimer(raft);
  return raft;
}

function membershipsOf(start: RaftStart, log: Log): Memberships {
  const membership = start.snapshot?.membership ?? start.membership;
  const memberships = new Memberships({ index: log.base.index, membership }, start.entries);
  if (start.alone !== true) return memberships;
  // The host knows best where it is reached now.
  const self = [start.membership, memberships.newest.membership, membership]
    .map((known) => memberOf(known, start.id))
    .find((member) => member !== undefined);
  invariant(self !== undefined, 'who goes on alone was a member');
  // As if none were in the log: the first entry of its leadership will say it.
  memberships.reset({ index: 0 as LogIndex, membership: { voters: [self], learners: [] } });
  return memberships;
}

/** The membership in effect changed. */
export function membershipChanged(raft: Raft): void {
  raft.voters = idsOf(raft.memberships.newest.membership.voters);
}

/** Strangers are not remembered: there might be any number of them. */
export function noteHeard(raft: Raft, from: VoterId): void {
  if (raft.voters.includes(from)) raft.heard.lately.add(from);
}

/** How many voters were heard from lately, itself included. */
export function reachableVoters({ voters, id, heard }: Raft): number {
  const reachable = (voter: VoterId): boolean =>
    voter === id || heard.lately.has(voter) || heard.before.has(voter);
  return voters.filter(reachable).length;
}

/** Notes once a committed entry names this voter a member: one that joins is none before. */
export function noteOwnMembership(raft: Raft): void {
  if (!raft.wasMember) raft.wasMember = raft.memberships.names(raft.id, raft.commit);
}

/** This voter was a member and is none by an entry it has applied, or was told by one that has. */
export function isRemoved(raft: Raft): boolean {
  if (raft.toldRemoved) return true;
  const { wasMember, memberships, applied, id } = raft;
  const known = [memberships.newest, memberships.at(applied)];
  return wasMember && known.every(({ membership }) => memberOf(membership, id) === undefined);
}

function isSole(voters: readonly VoterId[], id: VoterId): boolean {
  return voters.length === 1 && voters[0] === id;
}

/** This voter alone is the quorum. */
export function isSoleVoter(raft: Raft): boolean {
  return isSole(raft.voters, raft.id);
}

/** Starts the election timeout anew, with a length of its own so that voters seldom stand together. */
export function resetElectionTimer(raft: Raft): void {
  raft.seed ^= raft.seed << 13;
  raft.seed ^= raft.seed >>> 17;
  raft.seed ^= raft.seed << 5;
  invariant(raft.seed !== 0, 'a xorshift generator never reaches 0');
  raft.electionElapsed = 0;
  raft.electionTimeout =
    raft.options.electionTicks + ((raft.seed >>> 0) % raft.options.electionTicks);
}

/** A leader was heard from: the election can wait. */
export function heardLeader(raft: Raft): void {
  raft.electionElapsed = 0;
  raft.leaderSilence = 0;
}

/**
 * As long as a leader is heard from, nobody is helped to replace it (thesis, 4.2.3). Where leaders rely on
 * that for their reads, it holds also for a voter that has forgotten by whom it was led.
 */
export function isLed(raft: Raft): boolean {
  const { electionTicks, readLeaseMs } = raft.options;
  if (raft.leader !== 0) return raft.electionElapsed < electionTicks;
  return readLeaseMs !== undefined && raft.leaderSilence < electionTicks;
}

/** Sends without waiting for the disk: for messages that say nothing about it. */
export function send(raft: Raft, to: VoterId, message: Message): void {
  invariant(to !== raft.id, 'a voter does not write to itself', { kind: message.kind });
  raft.out.send.push({ from: raft.id, to, message });
}

/** Sends once all that changed up to here is durable: for votes and acknowledgements. */
export function sendAfterStore(raft: Raft, to: VoterId, message: Message): void {
  invariant(to !== raft.id, 'a voter does not write to itself', { kind: message.kind });
  raft.out.afterStore.push({ from: raft.id, to, message });
}

/** Takes in what is known about the quorum and about the own disk. Whether `commit` moved. */
export function advanceCommit(raft: Raft, quorumCommit: LogIndex): boolean {
  if (quorumCommit > raft.quorumCommit) raft.quorumCommit = quorumCommit;
  const commit = Math.min(raft.quorumCommit, raft.log.stable) as LogIndex;
  if (commit <= raft.commit) return false;
  invariant(commit <= raft.log.last, 'commit is in the log', { commit, last: raft.log.last });
  raft.commit = commit;
  return true;
}

/** The voters whose votes are asked for. */
export function otherVoters(raft: Raft): readonly VoterId[] {
  return raft.voters.filter((voter) => voter !== raft.id);
}

/** All whom a leader sends to: voters, learners, and those that leave. */
export function followersOf(
  raft: Raft,
  leading: Leading,
): readonly (readonly [VoterId, Progress])[] {
  return [...leading.progress].filter(([id]) => id !== raft.id);
}
