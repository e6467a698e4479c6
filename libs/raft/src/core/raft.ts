import { assertNever, invariant } from '@shoal/runtime';
import type { Entry, VoterId } from '../types.ts';
import { campaign, countVote, onVoteRequest, takeOver } from './candidate.ts';
import { holdBack, onStorageCured, onStored, onStoreRefused, takeStore } from './durability.ts';
import type { Event, Ready } from './events.ts';
import { becomeFollower, onAppend, onHeartbeat, onInstalled, onSnapshot } from './follower.ts';
import {
  onMembershipProposed,
  onMessageAsLeader,
  onProposed,
  onSnapshotLost,
  onTickAsLeader,
  onTransferRequested,
} from './leader.ts';
import { memberOf } from './membership.ts';
import type { LogPosition, Message } from './messages.ts';
import { onReadAnswer, onReadRequested } from './reads.ts';
import { isLed, noteHeard, noteOwnMembership, type Raft, send } from './state.ts';

/** Takes one event in and says what the driver must do. A function of the state and the event alone. */
export function step(raft: Raft, event: Event): Ready {
  checkInvariants(raft);
  raft.now = 'at' in event ? event.at : undefined;
  dispatch(raft, event);
  return takeReady(raft);
}

function dispatch(raft: Raft, event: Event): void {
  switch (event.kind) {
    case 'tick':
      onTick(raft);
      return;
    case 'received':
      onReceived(raft, event.from, event.message);
      return;
    case 'proposed':
      onProposed(raft, event.data);
      return;
    case 'membership-proposed':
      onMembershipProposed(raft, event.change);
      return;
    case 'transfer-requested':
      onTransferRequested(raft, event.to);
      return;
    case 'campaign':
      campaign(raft);
      return;
    case 'read-requested':
      onReadRequested(raft, event.token);
      return;
    case 'stored':
      onStored(raft);
      return;
    case 'store-refused':
      onStoreRefused(raft);
      return;
    case 'storage-cured':
      onStorageCured(raft);
      return;
    case 'compacted':
      invariant(event.upTo <= raft.applied, 'only what was applied is compacted', { ...event });
      raft.log.compact(event.upTo);
      raft.memberships.compacted(raft.log.base.index);
      return;
    case 'installed':
      onInstalled(raft);
      return;
    case 'install-failed':
      invariant(raft.installing !== undefined, 'a snapshot was being installed');
      raft.installing = undefined;
      return;
    case 'snapshot-lost':
      if (raft.role.kind === 'leader') onSnapshotLost(raft.role, event.to);
      return;
    default:
      assertNever(event);
  }
}

function checkInvariants(raft: Raft): void {
  const { applied, commit, quorumCommit, log } = raft;
  invariant(applied <= commit, 'only committed entries are applied', { applied, commit });
  invariant(commit <= log.stable, 'commit is past the disk', { commit, stable: log.stable });
  invariant(commit <= quorumCommit, 'commit is past the quorum', { commit, quorumCommit });
  invariant(log.base.index <= applied, 'only applied entries are compacted', { applied });
  invariant(log.lastPosition.term <= raft.term, 'the log is past the term', { term: raft.term });
}

function onTick(raft: Raft): void {
  if (raft.role.kind === 'leader') {
    onTickAsLeader(raft, raft.role);
    return;
  }
  raft.electionElapsed += 1;
  raft.leaderSilence += 1;
  if (raft.electionElapsed >= raft.electionTimeout) campaign(raft);
}

function onReceived(raft: Raft, from: VoterId, message: Message): void {
  invariant(from !== raft.id && from !== 0, 'a message comes from another voter', { from });
  noteHeard(raft, from);
  if (message.kind === 'removed') {
    onRemovedTold(raft, message);
    return;
  }
  if (message.kind === 'vote' || message.kind === 'pre-vote') tellIfRemoved(raft, from);
  if (message.term > raft.term) {
    if (!enterTerm(raft, from, message)) return;
  } else if (message.term < raft.term) {
    answerOldTerm(raft, from, message);
    return;
  }
  if (message.kind === 'vote' || message.kind === 'pre-vote') onVoteRequest(raft, from, message);
  else if (raft.role.kind === 'leader') onMessageAsLeader(raft, raft.role, from, message);
  else onMessageAsOther(raft, from, message);
}

/**
 * One that asks for votes and is no member may not know it: nobody sends it anything any more. What is
 * said to it rests on all that is committed, and names the last of it, so that the two can be compared.
 */
function tellIfRemoved(raft: Raft, from: VoterId): void {
  const { commit, log } = raft;
  const { index, membership } = raft.memberships.newest;
  if (index === 0 || index > commit || memberOf(membership, from) !== undefined) return;
  const term = log.termAt(commit);
  invariant(term !== undefined, 'what is committed is in the log', { commit });
  send(raft, from, { kind: 'removed', term, index: commit });
}

/**
 * Believed only from one that knows as much: what it has committed reaches the entry of the own membership. An own entry of a lower term that lies behind can never be committed any more.
 */
function onRemovedTold(raft: Raft, told: LogPosition): void {
  const { index } = raft.memberships.newest;
  const term = raft.log.termAt(index) ?? raft.log.base.term;
  const newer = told.term > term || (told.term === term && told.index >= index);
  if (!raft.wasMember || !newer) return;
  raft.toldRemoved = true;
  if (raft.role.kind !== 'follower') becomeFollower(raft, raft.term, 0);
}

/** A higher term ends the own one, unless it is only asked about. Whether the message counts. */
function enterTerm(raft: Raft, from: VoterId, message: Message): boolean {
  invariant(message.term > raft.term, 'a higher term', { term: message.term });
  switch (message.kind) {
    case 'vote':
    case 'pre-vote': {
      if (isLed(raft) && !(message.kind === 'vote' && message.transfer)) return false;
      if (message.kind === 'vote') becomeFollower(raft, message.term, 0);
      return true;
    }
    case 'pre-vote-answer':
      // A yes names the term that was asked for.
      if (!message.granted) becomeFollower(raft, message.term, 0);
      return true;
    case 'append':
    case 'heartbeat':
    case 'snapshot':
      becomeFollower(raft, message.term, from);
      return true;
    default:
      becomeFollower(raft, message.term, 0);
      return true;
  }
}

/** Lets a leader or an asker of the past know the term; everything else from the past is void. */
function answerOldTerm(raft: Raft, from: VoterId, message: Message): void {
  invariant(message.term < raft.term, 'a lower term', { term: message.term });
  const { term } = raft;
  switch (message.kind) {
    case 'append':
    case 'heartbeat':
    case 'snapshot':
      send(raft, from, { kind: 'heartbeat-answer', term, round: 0 });
      return;
    case 'pre-vote':
      send(raft, from, { kind: 'pre-vote-answer', term, granted: false });
      return;
    default:
      return;
  }
}

function onMessageAsOther(raft: Raft, from: VoterId, message: Message): void {
  const { role } = raft;
  switch (message.kind) {
    case 'append':
    case 'heartbeat':
    case 'snapshot':
      if (role.kind !== 'follower' || raft.leader !== from) becomeFollower(raft, raft.term, from);
      if (message.kind === 'append') onAppend(raft, from, message);
      else if (message.kind === 'heartbeat') onHeartbeat(raft, from, message);
      else onSnapshot(raft, from, message);
      return;
    case 'pre-vote-answer':
      if (role.kind === 'pre-candidate' && (!message.granted || message.term === raft.term + 1))
        countVote(raft, role, from, message.granted);
      return;
    case 'vote-answer':
      if (role.kind === 'candidate') countVote(raft, role, from, message.granted);
      return;
    case 'read-answer':
      onReadAnswer(raft, message);
      return;
    case 'timeout-now':
      if (role.kind === 'follower' && raft.leader === from) takeOver(raft);
      return;
    default:
      // An answer to the leader this voter was, or a question to one it is not.
      return;
  }
}

const nothing: readonly never[] = [];

function takeReady(raft: Raft): Ready {
  holdBack(raft);
  noteOwnMembership(raft);
  const { out } = raft;
  const ready: Ready = {
    store: takeStore(raft),
    send: out.send.length === 0 ? nothing : out.send,
    apply: takeApply(raft),
    reads: out.reads.length === 0 ? nothing : out.reads,
    proposed: out.proposed,
    droppedFrom: out.droppedFrom,
    install: out.install,
  };
  if (out.send.length > 0) out.send = [];
  if (out.reads.length > 0) out.reads = [];
  out.proposed = undefined;
  out.droppedFrom = undefined;
  out.install = undefined;
  checkInvariants(raft);
  return ready;
}

/** None while a snapshot is being installed: it replaces what they would be applied to. */
function takeApply(raft: Raft): readonly Entry[] {
  if (raft.applied === raft.commit || raft.installing !== undefined) return nothing;
  const entries = raft.log.slice(raft.applied, raft.commit, Number.POSITIVE_INFINITY);
  invariant(entries.at(-1)?.index === raft.commit, 'all that is committed is applied');
  raft.applied = raft.commit;
  return entries;
}
