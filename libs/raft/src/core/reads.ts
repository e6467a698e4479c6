import { invariant, type LogIndex } from '@shoal/runtime';
import type { VoterId } from '../types.ts';
import type { Message } from './messages.ts';
import { reachedByMajority } from './quorum.ts';
import { followersOf, isSoleVoter, type Leading, type Raft, send } from './state.ts';

/** How many reads may wait for their confirmation; a driver asks once for all its readers. */
const pendingReadsMax = 4096;
/** Rounds of heartbeats remembered for the lease; the quorum answers sooner or leads no more. */
const leaseRoundsMax = 256;

/** A read asked of this voter by its own driver. */
export function onReadRequested(raft: Raft, token: number): void {
  if (isSoleVoter(raft) && knowsAllCommitted(raft)) {
    // No other voter can have committed anything, not even while the disk refuses writes.
    raft.out.reads.push({ kind: 'confirmed', token, index: raft.commit });
  } else if (raft.role.kind === 'leader') {
    readAsLeader(raft, raft.role, raft.id, token);
  } else if (raft.leader === 0 || raft.forwardedReads.size >= pendingReadsMax) {
    raft.out.reads.push({ kind: 'failed', token });
  } else {
    raft.forwardedReads.add(token);
    send(raft, raft.leader, { kind: 'read-request', term: raft.term, token });
  }
}

/** One that became the sole voter may have acknowledged more than it knows to be committed. */
function knowsAllCommitted({ commit, log, memberships }: Raft): boolean {
  return commit === log.stable && memberships.newest.index <= commit;
}

/**
 * Notes what a quorum has (not what this disk has: another voter may have shown more already) and asks a
 * quorum whether this voter still leads (thesis, 6.4).
 */
export function readAsLeader(
  raft: Raft,
  leading: Leading,
  requester: VoterId,
  token: number,
): void {
  invariant(raft.leader === raft.id, 'only the leader confirms reads', { leader: raft.leader });
  if (leading.reads.length + leading.earlyReads.length >= pendingReadsMax) {
    if (requester === raft.id) raft.out.reads.push({ kind: 'failed', token });
    return;
  }
  if (raft.log.termAt(raft.quorumCommit) !== raft.term) {
    leading.earlyReads.push({ requester, token });
    return;
  }
  if (holdsLease(raft, leading)) {
    answer(raft, requester, token, raft.quorumCommit);
    return;
  }
  broadcastHeartbeat(raft, leading);
  leading.reads.push({ requester, token, index: raft.quorumCommit, round: leading.round });
  confirmReads(raft, leading);
}

/** The newest round that a quorum has answered. */
function confirmedRound(raft: Raft, leading: Leading): number {
  return reachedByMajority(raft.voters, (voter) =>
    voter === raft.id ? leading.round : (leading.progress.get(voter)?.confirmedRound ?? 0),
  );
}

function holdsLease(raft: Raft, leading: Leading): boolean {
  const { lease } = leading;
  if (lease === undefined || raft.now === undefined) return false;
  const confirmed = confirmedRound(raft, leading);
  for (const round of lease.rounds.keys()) if (round < confirmed) lease.rounds.delete(round);
  const begin = lease.rounds.get(confirmed);
  return begin !== undefined && raft.now - begin < lease.ms;
}

/** Once the term's first entry is committed, the reads that waited for it share one round. */
export function confirmEarlyReads(raft: Raft, leading: Leading): void {
  if (leading.earlyReads.length === 0) return;
  if (raft.log.termAt(raft.quorumCommit) !== raft.term) return;
  const reads = leading.earlyReads;
  leading.earlyReads = [];
  broadcastHeartbeat(raft, leading);
  for (const { requester, token } of reads)
    leading.reads.push({ requester, token, index: raft.quorumCommit, round: leading.round });
  confirmReads(raft, leading);
}

/** Answers every read whose round a quorum has confirmed. */
export function confirmReads(raft: Raft, leading: Leading): void {
  if (leading.reads.length === 0) return;
  const confirmed = confirmedRound(raft, leading);
  invariant(confirmed <= leading.round, 'rounds are confirmed after they start', { confirmed });
  while (leading.reads[0] !== undefined && leading.reads[0].round <= confirmed) {
    const read = leading.reads.shift();
    if (read !== undefined) answer(raft, read.requester, read.token, read.index);
  }
}

function answer(raft: Raft, requester: VoterId, token: number, index: LogIndex): void {
  const { quorumCommit } = raft;
  invariant(index <= quorumCommit, 'only committed state is read', { index, quorumCommit });
  if (requester === raft.id) raft.out.reads.push({ kind: 'confirmed', token, index });
  else send(raft, requester, { kind: 'read-answer', term: raft.term, token, index });
}

export function onReadAnswer(raft: Raft, message: Extract<Message, { kind: 'read-answer' }>): void {
  invariant(message.term === raft.term, 'an answer of this term', { term: raft.term });
  const { token, index } = message;
  if (raft.forwardedReads.delete(token)) raft.out.reads.push({ kind: 'confirmed', token, index });
}

/** The leader changed: what was asked of the old one will not be answered. */
export function failOwnReads(raft: Raft): void {
  for (const token of raft.forwardedReads) raft.out.reads.push({ kind: 'failed', token });
  raft.forwardedReads.clear();
  if (raft.role.kind !== 'leader') return;
  for (const { requester, token } of [...raft.role.reads, ...raft.role.earlyReads])
    if (requester === raft.id) raft.out.reads.push({ kind: 'failed', token });
}

export function broadcastHeartbeat(raft: Raft, leading: Leading): void {
  leading.heartbeatElapsed = 0;
  leading.round += 1;
  noteRound(raft, leading);
  for (const [voter, progress] of followersOf(raft, leading)) {
    // Never more than the voter has acknowledged: the rest of its log may still differ.
    const commit = Math.min(progress.match, raft.quorumCommit) as LogIndex;
    send(raft, voter, { kind: 'heartbeat', term: raft.term, commit, round: leading.round });
  }
}

function noteRound({ now }: Raft, { lease, round }: Leading): void {
  if (lease === undefined || now === undefined) return;
  lease.rounds.set(round, now);
  const [oldest] = lease.rounds.keys();
  if (lease.rounds.size > leaseRoundsMax && oldest !== undefined) lease.rounds.delete(oldest);
}
