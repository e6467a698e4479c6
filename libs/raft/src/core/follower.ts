import { invariant, type LogIndex, type Term } from '@shoal/runtime';
import type { VoterId } from '../types.ts';
import type { Message } from './messages.ts';
import { failOwnReads } from './reads.ts';
import {
  advanceCommit,
  heardLeader,
  membershipChanged,
  type Raft,
  resetElectionTimer,
  send,
  sendAfterStore,
} from './state.ts';

type From<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

/** Every way back to following, from any role: a higher term, a known leader, a lost quorum. */
export function becomeFollower(raft: Raft, term: Term, leader: VoterId | 0): void {
  invariant(term >= raft.term, 'terms never fall', { term, own: raft.term });
  const sameTerm = term === raft.term;
  invariant(
    !sameTerm || raft.leader === 0 || leader === 0 || raft.leader === leader,
    'one leader in a term',
    { term, known: raft.leader, leader },
  );
  if (!sameTerm || raft.role.kind === 'leader' || leader !== raft.leader) failOwnReads(raft);
  if (!sameTerm) raft.vote = 0;
  raft.term = term;
  raft.leader = leader;
  raft.role = { kind: 'follower' };
  resetElectionTimer(raft);
}

export function onAppend(raft: Raft, from: VoterId, message: From<'append'>): void {
  invariant(message.term === raft.term, 'an append of this term', { term: raft.term });
  heardLeader(raft);
  // Without a disk, or with the log about to be replaced, silence: the leader will try again.
  if (raft.refused || raft.installing !== undefined) return;
  const { term, log } = raft;
  const { previous, entries } = message;
  if (previous.index < raft.commit) {
    sendAfterStore(raft, from, { kind: 'append-accepted', term, match: raft.commit });
    return;
  }
  if (log.termAt(previous.index) !== previous.term) {
    const hint = log.lastNotAbove(previous);
    send(raft, from, { kind: 'append-rejected', term, rejected: previous.index, hint });
    return;
  }
  const [first, ...rest] = log.merge(entries, raft.commit);
  if (first !== undefined) {
    raft.memberships.truncated((first.index - 1) as LogIndex);
    raft.memberships.appended([first, ...rest]);
    membershipChanged(raft);
  }
  const match = entries.at(-1)?.index ?? previous.index;
  invariant(match <= log.last, 'the entries are in the log', { match, last: log.last });
  advanceCommit(raft, Math.min(message.commit, match) as LogIndex);
  sendAfterStore(raft, from, { kind: 'append-accepted', term, match });
}

const lostEntries =
  'the disk of this manager no longer has entries that it acknowledged, as after a restore from a copy: ' +
  'demote and remove it, let it leave the swarm and join again';

export function onHeartbeat(raft: Raft, from: VoterId, message: From<'heartbeat'>): void {
  invariant(message.term === raft.term, 'a heartbeat of this term', { term: raft.term });
  heardLeader(raft);
  // What this voter acknowledged is durable; a leader that claims more met a disk that was emptied.
  const { stable } = raft.log;
  invariant(message.commit <= stable, lostEntries, { ...message, stable });
  if (raft.installing === undefined) advanceCommit(raft, message.commit);
  send(raft, from, { kind: 'heartbeat-answer', term: raft.term, round: message.round });
}

export function onSnapshot(raft: Raft, from: VoterId, message: From<'snapshot'>): void {
  invariant(message.term === raft.term, 'a snapshot of this term', { term: raft.term });
  heardLeader(raft);
  if (raft.refused || raft.installing !== undefined) return;
  const { snapshot } = message;
  const { term } = raft;
  if (snapshot.index <= raft.commit) {
    sendAfterStore(raft, from, { kind: 'append-accepted', term, match: raft.commit });
  } else if (raft.log.termAt(snapshot.index) === snapshot.term) {
    // The entries are here already: cheaper than the snapshot.
    advanceCommit(raft, snapshot.index);
    sendAfterStore(raft, from, { kind: 'append-accepted', term, match: snapshot.index });
  } else {
    raft.installing = snapshot;
    raft.out.install = snapshot;
  }
}

/** The snapshot is durable and restored: the log starts anew after it. */
export function onInstalled(raft: Raft): void {
  const snapshot = raft.installing;
  invariant(snapshot !== undefined, 'a snapshot was being installed');
  invariant(snapshot.index > raft.commit, 'a snapshot leads forward', { commit: raft.commit });
  raft.installing = undefined;
  raft.log.reset(snapshot);
  raft.memberships.reset({ index: snapshot.index, membership: snapshot.membership });
  membershipChanged(raft);
  raft.quorumCommit = snapshot.index;
  raft.commit = snapshot.index;
  raft.applied = snapshot.index;
  if (raft.leader === 0 || raft.leader === raft.id) return;
  sendAfterStore(raft, raft.leader, {
    kind: 'append-accepted',
    term: raft.term,
    match: snapshot.index,
  });
}
