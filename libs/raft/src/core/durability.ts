import { invariant } from '@shoal/runtime';
import type { StoreWork } from '../storage.ts';
import type { HardState } from '../types.ts';
import { campaign, onOwnVoteStored } from './candidate.ts';
import { becomeFollower } from './follower.ts';
import { onOwnStored } from './leader.ts';
import type { Envelope } from './messages.ts';
import { advanceCommit, isSoleVoter, membershipChanged, type Raft } from './state.ts';

/** The next write, when there is something to write and the disk is free and willing. */
export function takeStore(raft: Raft): StoreWork | undefined {
  if (raft.storing !== undefined || raft.refused || !hasUnstored(raft)) return undefined;
  const hardState: HardState = { term: raft.term, vote: raft.vote, commit: raft.commit };
  const { term, vote, commit } = raft.durable;
  invariant(hardState.term >= term && hardState.commit >= commit, 'what is durable never falls');
  raft.storing = hardState;
  raft.writes += 1;
  const changed = term !== raft.term || vote !== raft.vote || commit !== raft.commit;
  return { hardState: changed ? hardState : undefined, entries: raft.log.startStoring() };
}

/** `commit` alone is no reason to write: it is a hint that goes along. */
function hasUnstored(raft: Raft): boolean {
  const { term, vote } = raft.storing ?? raft.durable;
  return raft.log.hasUnstored || term !== raft.term || vote !== raft.vote;
}

/** Ties what the step wants to say to the write that makes it true, or lets it go at once. */
export function holdBack(raft: Raft): void {
  const { out } = raft;
  if (out.afterStore.length === 0) return;
  if (raft.refused) out.afterStore = [];
  const behind = hasUnstored(raft);
  if (!behind && raft.storing === undefined) out.send.push(...out.afterStore);
  else {
    const write = behind ? raft.writes + 1 : raft.writes;
    out.held.push(...out.afterStore.map((envelope) => ({ envelope, write })));
  }
  out.afterStore = [];
}

export function onStored(raft: Raft): void {
  invariant(raft.storing !== undefined, 'a write was under way');
  raft.durable = raft.storing;
  raft.storing = undefined;
  raft.log.stored();
  const { held } = raft.out;
  raft.out.held = held.filter(({ write }) => write > raft.writes);
  // What an older term promised may have been replaced before it was ever written.
  const due = held.flatMap(({ envelope, write }) =>
    write <= raft.writes && envelope.message.term === raft.term ? [envelope] : [],
  );
  const newest = due.findLast(({ message }) => message.kind === 'append-accepted');
  raft.out.send.push(...due.filter((envelope) => !isOutdone(envelope, newest)));
  if (raft.role.kind === 'leader') onOwnStored(raft, raft.role);
  else {
    advanceCommit(raft, raft.quorumCommit);
    if (raft.role.kind === 'candidate') onOwnVoteStored(raft, raft.role);
  }
}

/** One write may cover many appends; the newest acknowledgement speaks for those before. */
function isOutdone(envelope: Envelope, newest: Envelope | undefined): boolean {
  const { to, message } = envelope;
  if (newest === undefined || newest === envelope || newest.to !== to) return false;
  if (message.kind !== 'append-accepted' || newest.message.kind !== 'append-accepted') return false;
  return newest.message.match >= message.match;
}

/**
 * The disk refused: what is not durable is forgotten, as a crash would do, and nothing that rests
 * on it is said. A leader with others steps down: one with a working disk can lead, and what others, be it
 * learners, already hold of this term must not meet other entries of the same term. One that nobody listens
 * to goes on leading, with the log as the disk has it.
 */
export function onStoreRefused(raft: Raft): void {
  invariant(raft.storing !== undefined, 'a write was under way');
  invariant(!raft.refused, 'nothing is written while the disk refuses');
  raft.storing = undefined;
  raft.refused = true;
  raft.out.held = [];
  raft.out.droppedFrom = raft.log.refused();
  if (raft.out.droppedFrom !== undefined) {
    raft.memberships.truncated(raft.log.last);
    membershipChanged(raft);
  }
  if (raft.quorumCommit > raft.log.last) raft.quorumCommit = raft.log.last;
  invariant(raft.commit <= raft.log.last, 'what is committed is durable', { commit: raft.commit });
  if (raft.role.kind === 'leader' && isSoleVoter(raft) && raft.role.progress.size === 1) {
    raft.role.progress.get(raft.id)?.accepted(raft.log.stable);
    return;
  }
  if (raft.role.kind !== 'follower') becomeFollower(raft, raft.term, 0);
}

export function onStorageCured(raft: Raft): void {
  invariant(raft.refused, 'the disk had refused');
  raft.refused = false;
  if (isSoleVoter(raft)) campaign(raft);
}
