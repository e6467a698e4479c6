import { assertNever, invariant, type LogIndex } from '@shoal/runtime';
import type { Entry, VoterId } from '../types.ts';
import { becomeFollower } from './follower.ts';
import type { Message } from './messages.ts';
import { Progress } from './progress.ts';
import { majority, reachedByMajority } from './quorum.ts';
import { broadcastHeartbeat, confirmEarlyReads, confirmReads, readAsLeader } from './reads.ts';
import {
  advanceCommit,
  type Leading,
  others,
  type Raft,
  resetElectionTimer,
  send,
} from './state.ts';

/** Checks of the quorum after which a snapshot that nobody reported on counts as lost. */
const checksInSnapshotMax = 10;

const noData = new Uint8Array(0);

/** Begins a term: an empty entry, whose commit carries all older ones with it (Raft paper, 5.4.2 and 8). */
export function becomeLeader(raft: Raft): void {
  invariant(raft.role.kind === 'candidate', 'a leader was a candidate', { role: raft.role.kind });
  invariant(raft.leader === 0, 'one leader in a term', { leader: raft.leader });
  const next = (raft.log.last + 1) as LogIndex;
  const leading: Leading = {
    kind: 'leader',
    progress: new Map(raft.voters.map((voter) => [voter, new Progress(0 as LogIndex, next)])),
    heartbeatElapsed: 0,
    round: 0,
    reads: [],
    earlyReads: [],
  };
  raft.role = leading;
  raft.leader = raft.id;
  resetElectionTimer(raft);
  appendAsLeader(raft, leading, [{ index: next, term: raft.term, kind: 'empty', data: noData }]);
}

export function appendAsLeader(raft: Raft, leading: Leading, entries: readonly Entry[]): void {
  invariant(entries.length > 0, 'something is appended');
  invariant(raft.leader === raft.id, 'only the leader appends', { leader: raft.leader });
  raft.log.append(entries);
  broadcastAppend(raft, leading);
}

/** Counts a proposal's entries in and gives them their places. */
export function onProposed(raft: Raft, data: readonly Uint8Array[]): void {
  invariant(data.length > 0, 'something is proposed');
  const { role, term } = raft;
  if (role.kind !== 'leader') {
    raft.out.proposed = { kind: 'refused', reason: 'not-leader' };
    return;
  }
  if (raft.refused) {
    raft.out.proposed = { kind: 'refused', reason: 'storage' };
    return;
  }
  const first = (raft.log.last + 1) as LogIndex;
  const entries = data.map(
    (bytes, at): Entry => ({ index: (first + at) as LogIndex, term, kind: 'normal', data: bytes }),
  );
  appendAsLeader(raft, role, entries);
  raft.out.proposed = { kind: 'appended', first, term };
}

export function onTickAsLeader(raft: Raft, leading: Leading): void {
  leading.heartbeatElapsed += 1;
  raft.electionElapsed += 1;
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
  let active = 0;
  for (const voter of raft.voters) {
    const progress = leading.progress.get(voter);
    invariant(progress !== undefined, 'the leader knows every voter', { voter });
    if (voter === raft.id || progress.active) active += 1;
    progress.active = false;
    if (progress.state !== 'snapshot') continue;
    progress.checksInSnapshot += 1;
    if (progress.checksInSnapshot >= checksInSnapshotMax) progress.snapshotLost();
  }
  return active >= majority(raft.voters.length);
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
      if (!onAccepted(raft, leading, from, progress, message.match)) sendAll(raft, from, progress);
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

/** Whether the commit moved, and with it a message to every voter. */
function onAccepted(
  raft: Raft,
  leading: Leading,
  from: VoterId,
  progress: Progress,
  match: LogIndex,
): boolean {
  invariant(match <= raft.log.last, 'no voter is ahead of its leader', {
    from,
    match,
    last: raft.log.last,
  });
  return progress.accepted(match) && commitByCounting(raft, leading);
}

/** The own disk has caught up: the leader acknowledges to itself. */
export function onOwnStored(raft: Raft, leading: Leading): void {
  const own = leading.progress.get(raft.id);
  // A leader that is no voter (it is leaving) counts others only.
  own?.accepted(raft.log.stable);
  if (!commitByCounting(raft, leading)) advanceCommit(raft, raft.quorumCommit);
  confirmEarlyReads(raft, leading);
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
  return true;
}

export function onSnapshotLost(leading: Leading, to: VoterId): void {
  leading.progress.get(to)?.snapshotLost();
}

function broadcastAppend(raft: Raft, leading: Leading): void {
  for (const voter of others(raft)) {
    const progress = leading.progress.get(voter);
    invariant(progress !== undefined, 'the leader knows every voter', { voter });
    sendAppend(raft, voter, progress);
  }
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
  const snapshot = { index, term, voters: raft.voters };
  send(raft, to, { kind: 'snapshot', term: raft.term, snapshot });
}
