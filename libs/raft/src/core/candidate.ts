import { invariant, type Term } from '@shoal/runtime';
import type { VoterId } from '../types.ts';
import { becomeFollower } from './follower.ts';
import { becomeLeader } from './leader.ts';
import type { Message } from './messages.ts';
import { voteOutcome } from './quorum.ts';
import { failOwnReads } from './reads.ts';
import {
  isLed,
  isRemoved,
  otherVoters,
  type Raft,
  resetElectionTimer,
  type Standing,
  send,
  sendAfterStore,
} from './state.ts';

/** Asks first whether an election could be won, so that a voter cut off does not raise the term. */
export function campaign(raft: Raft): void {
  if (raft.role.kind === 'leader') return;
  resetElectionTimer(raft);
  raft.heard = { lately: new Set(), before: raft.heard.lately };
  if (!mayStand(raft)) {
    // Whoever led has not been heard for long, and who stood may no longer: its removal is committed by now.
    becomeFollower(raft, raft.term, 0);
    // One that was removed while it was away is told so in answer to any question.
    if (raft.wasMember && !isRemoved(raft)) askForPreVotes(raft);
    return;
  }
  failOwnReads(raft);
  raft.leader = 0;
  raft.role = { kind: 'pre-candidate', votes: new Map(), transfer: false };
  askForPreVotes(raft);
  countVote(raft, raft.role, raft.id, true);
}

function askForPreVotes(raft: Raft): void {
  const term = (raft.term + 1) as Term;
  for (const voter of otherVoters(raft))
    send(raft, voter, { kind: 'pre-vote', term, last: raft.log.lastPosition });
}

/**
 * A voter that is removed stands as long as its removal is not committed: it may be the only one that has
 * the entry (thesis, 4.2.2). Its own vote does not count then.
 */
function mayStand(raft: Raft): boolean {
  if (raft.refused || raft.toldRemoved || raft.installing !== undefined) return false;
  if (raft.voters.includes(raft.id)) return true;
  const { newest, previous } = raft.memberships;
  const wasVoter = previous?.membership.voters.some(({ id }) => id === raft.id) === true;
  return wasVoter && newest.index > raft.commit;
}

/** The leader hands over: its own word makes asking first superfluous (thesis, 3.10). */
export function takeOver(raft: Raft): void {
  if (!mayStand(raft)) return;
  failOwnReads(raft);
  raft.leader = 0;
  stand(raft, true);
}

function stand(raft: Raft, transfer: boolean): void {
  invariant(raft.role.kind !== 'leader', 'a leader does not stand');
  invariant(!raft.refused, 'a candidate can write its vote down');
  raft.term = (raft.term + 1) as Term;
  raft.vote = raft.id;
  raft.role = { kind: 'candidate', votes: new Map(), transfer };
  resetElectionTimer(raft);
  // The own vote counts once it is durable: see `onOwnVoteStored`. So does asking for others':
  // a candidate that forgot its term could otherwise lead the same term twice.
  const { term } = raft;
  for (const voter of otherVoters(raft))
    sendAfterStore(raft, voter, { kind: 'vote', term, last: raft.log.lastPosition, transfer });
}

export function onOwnVoteStored(raft: Raft, standing: Standing): void {
  const { term, vote } = raft.durable;
  if (standing.kind !== 'candidate' || term !== raft.term) return;
  invariant(vote === raft.id, 'a candidate votes for itself', { vote });
  if (!standing.votes.has(raft.id)) countVote(raft, standing, raft.id, true);
}

export function countVote(raft: Raft, standing: Standing, from: VoterId, granted: boolean): void {
  invariant(raft.role === standing, 'votes are counted while standing');
  standing.votes.set(from, granted);
  switch (voteOutcome(raft.voters, standing.votes)) {
    case 'pending':
      return;
    case 'lost':
      becomeFollower(raft, raft.term, 0);
      return;
    case 'won':
      if (standing.kind === 'pre-candidate') stand(raft, false);
      else becomeLeader(raft);
  }
}

/** Answers a request for a vote, in any role (Raft paper, 5.4.1). */
export function onVoteRequest(
  raft: Raft,
  from: VoterId,
  message: Extract<Message, { kind: 'vote' | 'pre-vote' }>,
): void {
  invariant(message.kind === 'pre-vote' || message.term === raft.term, 'a vote in this term');
  invariant(message.term >= raft.term, 'old requests were answered before', { ...message });
  const called = message.kind === 'vote' && message.transfer;
  if (raft.refused || (raft.leader === 0 && isLed(raft) && !called)) return;
  const free = raft.vote === from || (raft.vote === 0 && raft.leader === 0);
  const ahead = message.kind === 'pre-vote' && message.term > raft.term;
  const granted = (free || ahead) && raft.log.isCoveredBy(message.last);
  if (message.kind === 'pre-vote') {
    // A yes speaks of the term asked for, a no of the own one, so that the asker learns of it.
    const term = granted ? message.term : raft.term;
    send(raft, from, { kind: 'pre-vote-answer', term, granted });
    return;
  }
  if (granted) {
    raft.vote = from;
    raft.electionElapsed = 0;
  }
  sendAfterStore(raft, from, { kind: 'vote-answer', term: raft.term, granted });
}
