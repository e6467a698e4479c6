import { assertNever, invariant, type LogIndex } from '@shoal/runtime';
import type { Entry, Member, MembershipChange, VoterId } from '../types.ts';
import { becomeFollower } from './follower.ts';
import { changed, encodeMembership, memberOf, type Standing } from './membership.ts';
import type { Message } from './messages.ts';
import { Progress } from './progress.ts';
import { majority, reachedByMajority } from './quorum.ts';
import { broadcastHeartbeat, confirmEarlyReads, confirmReads, readAsLeader } from './reads.ts';
import {
  advanceCommit,
  followersOf,
  type Leading,
  membershipChanged,
  type Raft,
  resetElectionTimer,
  send,
} from './state.ts';

/** Checks of the quorum after which a snapshot that nobody reported on counts as lost. */
const checksInSnapshotMax = 10;
/** Checks of the quorum for which one that leaves is still told that it does. */
const checksLeavingMax = 10;

const noData = new Uint8Array(0);

/** Begins a term: an empty entry, whose commit carries all older ones with it (Raft paper, 5.4.2 and 8). */
export function becomeLeader(raft: Raft): void {
  invariant(raft.role.kind === 'candidate', 'a leader was a candidate', { role: raft.role.kind });
  invariant(raft.leader === 0, 'one leader in a term', { leader: raft.leader });
  const next = (raft.log.last + 1) as LogIndex;
  const leading: Leading = {
    kind: 'leader',
    progress: new Map(members(raft).map(({ id }) => [id, new Progress(0 as LogIndex, next)])),
    leaving: new Map(),
    transfer: undefined,
    heartbeatElapsed: 0,
    lease: newLease(raft.options),
    round: 0,
    reads: [],
    earlyReads: [],
  };
  raft.role = leading;
  raft.leader = raft.id;
  resetElectionTimer(raft);
  appendAsLeader(raft, leading, [firstEntry(raft, next)]);
}

/** Of the term. Where the log names no membership yet, this entry does. */
function firstEntry(raft: Raft, index: LogIndex): Entry {
  const { term, memberships } = raft;
  if (memberships.newest.index > 0) return { index, term, kind: 'empty', data: noData };
  const data = encodeMembership(memberships.newest.membership);
  return { index, term, kind: 'membership', data };
}

function appendAsLeader(raft: Raft, leading: Leading, entries: readonly Entry[]): void {
  invariant(entries.length > 0, 'something is appended');
  invariant(raft.leader === raft.id, 'only the leader appends', { leader: raft.leader });
  raft.log.append(entries);
  if (raft.memberships.appended(entries)) {
    membershipChanged(raft);
    noteMembers(raft, leading);
  }
  broadcastAppend(raft, leading);
}

function members(raft: Raft): readonly Member[] {
  const { voters, learners } = raft.memberships.newest.membership;
  return [...voters, ...learners];
}

/** Counts a proposal's entries in and gives them their places. */
export function onProposed(raft: Raft, data: readonly Uint8Array[]): void {
  invariant(data.length > 0, 'something is proposed');
  const { term } = raft;
  const role = mayPropose(raft);
  if (role === undefined) return;
  const first = (raft.log.last + 1) as LogIndex;
  const entries = data.map(
    (bytes, at): Entry => ({ index: (first + at) as LogIndex, term, kind: 'normal', data: bytes }),
  );
  appendAsLeader(raft, role, entries);
  raft.out.proposed = { kind: 'appended', first, term };
}

/** The leading role; otherwise the refusal is in the outbox. */
function mayPropose(raft: Raft): Leading | undefined {
  const { role } = raft;
  if (role.kind !== 'leader') raft.out.proposed = { kind: 'refused', reason: 'not-leader' };
  else if (raft.refused) raft.out.proposed = { kind: 'refused', reason: 'storage' };
  else if (role.transfer) raft.out.proposed = { kind: 'refused', reason: 'transferring' };
  else return role;
  return undefined;
}

/**
 * Changes the membership by one member. The one before must be committed, and so must an entry of this
 * term: otherwise two leaders could each change another member without meeting (thesis, 4.1, as corrected).
 */
export function onMembershipProposed(raft: Raft, change: MembershipChange): void {
  const leading = mayPropose(raft);
  if (leading === undefined) return;
  const { index, membership } = raft.memberships.newest;
  if (index > raft.commit || raft.log.termAt(raft.quorumCommit) !== raft.term) {
    const message = 'another change of the managers is under way; try again';
    raft.out.proposed = { kind: 'unfit', code: 'busy', message };
    return;
  }
  const result = changed(membership, change, standingOf(raft, leading));
  if (result.kind === 'refused') {
    const { code, message } = result;
    raft.out.proposed = { kind: 'unfit', code, message };
    return;
  }
  const first = (raft.log.last + 1) as LogIndex;
  const { term } = raft;
  const data = encodeMembership(result.membership);
  appendAsLeader(raft, leading, [{ index: first, term, kind: 'membership', data }]);
  raft.out.proposed = { kind: 'appended', first, term };
  // Those whose confirmation was waited for may not be asked any more.
  confirmReads(raft, leading);
}

function standingOf(raft: Raft, leading: Leading): Standing {
  const progress = (id: VoterId): Progress | undefined => leading.progress.get(id);
  return {
    active: (id) => id === raft.id || progress(id)?.reachable === true,
    match: (id) => progress(id)?.match ?? (0 as LogIndex),
    commit: raft.quorumCommit,
  };
}

/** Who is new gets everything from the end backwards; who is gone still gets the entry that says so. */
function noteMembers(raft: Raft, leading: Leading): void {
  const { index, membership } = raft.memberships.newest;
  for (const { id } of members(raft)) {
    // One that is back may not be what it was.
    const back = leading.leaving.delete(id);
    if (back || !leading.progress.has(id))
      leading.progress.set(id, new Progress(0 as LogIndex, index));
  }
  for (const id of leading.progress.keys()) {
    if (memberOf(membership, id) !== undefined || leading.leaving.has(id)) continue;
    leading.leaving.set(id, { index, checks: 0 });
  }
}

/** Hands leadership to the asked one, or to the reachable voter whose log is furthest (thesis, 3.10). */
export function onTransferRequested(raft: Raft, to: VoterId | undefined): void {
  const { role } = raft;
  if (role.kind !== 'leader' || role.transfer !== undefined) return;
  const voters = raft.voters.flatMap((id) => {
    const progress = role.progress.get(id);
    const fit = id !== raft.id && progress?.reachable === true && (to === undefined || id === to);
    return fit && progress !== undefined ? [{ id, match: progress.match }] : [];
  });
  const [best] = voters.sort((a, b) => b.match - a.match);
  if (best === undefined) return;
  role.transfer = { to: best.id, elapsed: 0, told: false };
  handOver(raft, role);
}

function newLease({ readLeaseMs }: Raft['options']): Leading['lease'] {
  return readLeaseMs === undefined ? undefined : { ms: readLeaseMs, rounds: new Map() };
}

/** Once it has everything, the voter that takes over is told to stand. */
function handOver(raft: Raft, leading: Leading): void {
  const { transfer } = leading;
  if (transfer === undefined || transfer.told) return;
  if (leading.progress.get(transfer.to)?.match !== raft.log.last) return;
  transfer.told = true;
  // From now on it may be elected at any time, with the help of those who answered heartbeats.
  leading.lease = undefined;
  send(raft, transfer.to, { kind: 'timeout-now', term: raft.term });
}

export function onTickAsLeader(raft: Raft, leading: Leading): void {
  leading.heartbeatElapsed += 1;
  raft.electionElapsed += 1;
  if (leading.transfer !== undefined) {
    leading.transfer.elapsed += 1;
    // It did not take over in time: go on leading.
    if (leading.transfer.elapsed >= raft.options.electionTicks) leading.transfer = undefined;
  }
  if (raft.electionElapsed >= raft.options.electionTicks) {
    raft.electionElapsed = 0;
    if (!checkQuorum(raft, leading)) {
      becomeFollower(raft, raft.term, 0);
      return;
    }
  }
  if (leading.heartbeatElapsed >= raft.options.heartbeatTicks) broadcastHeartbeat(raft, leading);
}

/** Whether a quorum was heard from since the last check: a leader cut off must not believe it leads. */
function checkQuorum(raft: Raft, leading: Leading): boolean {
  const heard = new Set<VoterId>([raft.id]);
  for (const [id, progress] of leading.progress) {
    if (progress.checked()) heard.add(id);
    if (progress.state !== 'snapshot') continue;
    progress.checksInSnapshot += 1;
    if (progress.checksInSnapshot >= checksInSnapshotMax) progress.snapshotLost();
  }
  for (const [id, leaving] of leading.leaving) {
    leaving.checks += 1;
    if (leaving.checks >= checksLeavingMax) forget(leading, id);
  }
  return raft.voters.filter((voter) => heard.has(voter)).length >= majority(raft.voters.length);
}

function forget(leading: Leading, id: VoterId): void {
  leading.leaving.delete(id);
  leading.progress.delete(id);
}

export function onMessageAsLeader(
  raft: Raft,
  leading: Leading,
  from: VoterId,
  message: Message,
): void {
  invariant(message.term === raft.term, 'a message of this term', { term: raft.term });
  const progress = leading.progress.get(from);
  if (progress === undefined) return;
  switch (message.kind) {
    case 'append-accepted':
      progress.heard();
      onAccepted(raft, leading, from, progress, message.match);
      return;
    case 'append-rejected':
      progress.heard();
      if (progress.rejected(message.rejected, raft.log.lastNotAbove(message.hint).index))
        sendAppend(raft, from, progress);
      return;
    case 'heartbeat-answer':
      progress.heard();
      progress.confirmedRound = Math.max(progress.confirmedRound, message.round);
      if (progress.match < raft.log.last) sendAppend(raft, from, progress);
      confirmReads(raft, leading);
      return;
    case 'read-request':
      progress.active = true;
      readAsLeader(raft, leading, from, message.token);
      return;
    case 'vote-answer':
    case 'pre-vote-answer':
    case 'read-answer':
    case 'timeout-now':
    case 'removed':
      return;
    case 'append':
    case 'heartbeat':
    case 'snapshot':
      invariant(false, 'two leaders in one term', { term: raft.term, own: raft.id, from });
      return;
    case 'vote':
    case 'pre-vote':
      invariant(false, 'votes are answered before roles are asked', { kind: message.kind });
      return;
    default:
      assertNever(message);
  }
}

function onAccepted(
  raft: Raft,
  leading: Leading,
  from: VoterId,
  progress: Progress,
  match: LogIndex,
): void {
  invariant(match <= raft.log.last, 'no voter is ahead of its leader', {
    from,
    match,
    last: raft.log.last,
  });
  // Where the commit moved, every voter was sent what it lacks.
  const moved = progress.accepted(match) && commitByCounting(raft, leading);
  if (raft.role !== leading) return;
  if (!moved) sendAll(raft, from, progress);
  const leaving = leading.leaving.get(from);
  if (leaving !== undefined && match >= leaving.index && progress.commitSent >= leaving.index)
    forget(leading, from);
  if (leading.transfer?.to === from) handOver(raft, leading);
}

/** The own disk has caught up: the leader acknowledges to itself. */
export function onOwnStored(raft: Raft, leading: Leading): void {
  const own = leading.progress.get(raft.id);
  // A leader that is no voter (it is leaving) counts others only.
  own?.accepted(raft.log.stable);
  if (!commitByCounting(raft, leading)) {
    advanceCommit(raft, raft.quorumCommit);
    leaveIfRemoved(raft, leading);
  }
  if (raft.role === leading) confirmEarlyReads(raft, leading);
}

/** A leader that is no member any more steps down once that is committed (thesis, 4.2.2), for another at once. */
function leaveIfRemoved(raft: Raft, leading: Leading): void {
  const { index } = raft.memberships.newest;
  if (raft.role !== leading || raft.voters.includes(raft.id) || index > raft.commit) return;
  const heir = raft.voters.find((id) => leading.progress.get(id)?.match === raft.log.last);
  if (heir !== undefined) send(raft, heir, { kind: 'timeout-now', term: raft.term });
  becomeFollower(raft, raft.term, 0);
}

/** Only an entry of the own term is committed by counting; older ones go with it (Raft paper, figure 8). */
function commitByCounting(raft: Raft, leading: Leading): boolean {
  const reached = reachedByMajority(raft.voters, (voter) => {
    const progress = leading.progress.get(voter);
    invariant(progress !== undefined, 'the leader knows every voter', { voter });
    return progress.match;
  }) as LogIndex;
  if (reached <= raft.quorumCommit || raft.log.termAt(reached) !== raft.term) return false;
  advanceCommit(raft, reached);
  confirmEarlyReads(raft, leading);
  broadcastAppend(raft, leading);
  leaveIfRemoved(raft, leading);
  return true;
}

export function onSnapshotLost(leading: Leading, to: VoterId): void {
  leading.progress.get(to)?.snapshotLost();
}

function broadcastAppend(raft: Raft, leading: Leading): void {
  for (const [voter, progress] of followersOf(raft, leading)) sendAppend(raft, voter, progress);
}

/** All that is not yet on its way to this voter, the commit included. */
function sendAll(raft: Raft, to: VoterId, progress: Progress): void {
  if (progress.next > raft.log.last && progress.commitSent < raft.quorumCommit)
    sendAppend(raft, to, progress);
  while (progress.next <= raft.log.last && sendAppend(raft, to, progress)) {
    // Ends when nothing is left or the voter's window is full.
    if (progress.state !== 'replicate') return;
  }
}

/** One append (perhaps empty, to carry the commit), or a snapshot where the entries are gone. */
function sendAppend(raft: Raft, to: VoterId, progress: Progress): boolean {
  if (progress.paused) return false;
  const { log, term } = raft;
  const index = (progress.next - 1) as LogIndex;
  const previousTerm = log.termAt(index);
  if (previousTerm === undefined) {
    sendSnapshot(raft, to, progress);
    return false;
  }
  const entries = log.slice(index, log.last, raft.options.appendBytesMax);
  const previous = { index, term: previousTerm };
  progress.sent(entries.at(-1)?.index ?? index);
  progress.commitSent = raft.quorumCommit;
  send(raft, to, { kind: 'append', term, previous, entries, commit: raft.quorumCommit });
  return true;
}

function sendSnapshot(raft: Raft, to: VoterId, progress: Progress): void {
  // To a voter that does not answer, a snapshot would be sent for nothing.
  if (!progress.active) return;
  const index = raft.applied;
  const term = raft.log.termAt(index);
  invariant(term !== undefined, 'what was applied is in the log', { index });
  invariant(index >= raft.log.base.index, 'the state covers what was compacted', { index });
  progress.snapshotSent(index);
  const { membership } = raft.memberships.at(index);
  const snapshot = { index, term, membership };
  send(raft, to, { kind: 'snapshot', term: raft.term, snapshot });
}
