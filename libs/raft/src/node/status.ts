import type { LogIndex, Term } from '@shoal/runtime';
import { majority } from '../core/quorum.ts';
import { type Raft, type Role, reachableVoters } from '../core/state.ts';
import type { StorageError } from '../storage.ts';
import type { Membership, VoterId } from '../types.ts';
import { type Failure, failure } from './outcomes.ts';

/** A member as the leader sees it. */
export interface PeerStatus {
  readonly id: VoterId;
  readonly learner: boolean;
  /** Heard from lately. */
  readonly active: boolean;
  readonly match: LogIndex;
  readonly state: 'probe' | 'replicate' | 'snapshot';
}

export interface RaftStatus {
  readonly id: VoterId;
  /** 0 when none is known. */
  readonly leader: VoterId | 0;
  readonly term: Term;
  readonly role: Role['kind'];
  readonly committed: LogIndex;
  readonly applied: LogIndex;
  /** Oldest and newest entry in memory; `first` is `last + 1` when there is none. */
  readonly first: LogIndex;
  readonly last: LogIndex;
  /** Index of the newest durable snapshot, 0 without one. */
  readonly snapshot: LogIndex;
  /** Why writes are refused, while they are. */
  readonly storageError: StorageError | undefined;
  readonly membership: Membership;
  /** Voters, and how many of them the leader hears, itself included; undefined on others. */
  readonly quorum: { readonly voters: number; readonly active: number | undefined };
  /** The other members, on the leader. */
  readonly peers: readonly PeerStatus[];
  /** Durable writes since the start, and the entries they carried: their ratio is the group commit. */
  readonly writes: number;
  readonly entriesWritten: number;
}

/** What the core knows of a {@link RaftStatus}. */
export function coreStatus(
  raft: Raft,
): Omit<RaftStatus, 'snapshot' | 'storageError' | 'writes' | 'entriesWritten'> {
  const { id, leader, term, role, commit, applied, log } = raft;
  const { membership } = raft.memberships.newest;
  const peers = peersOf(raft, membership);
  const quorum = quorumOf(raft, peers);
  const positions = { committed: commit, applied, first: log.first, last: log.last };
  return { id, leader, term, role: role.kind, ...positions, membership, quorum, peers };
}

function peersOf(raft: Raft, { voters, learners }: Membership): readonly PeerStatus[] {
  const { role } = raft;
  if (role.kind !== 'leader') return [];
  return [...voters, ...learners].flatMap(({ id }) => {
    const progress = role.progress.get(id);
    if (progress === undefined || id === raft.id) return [];
    const { match, state, reachable } = progress;
    return [{ id, learner: !raft.voters.includes(id), active: reachable, match, state }];
  });
}

function quorumOf({ role, voters, id }: Raft, peers: readonly PeerStatus[]): RaftStatus['quorum'] {
  if (role.kind !== 'leader') return { voters: voters.length, active: undefined };
  const own = voters.includes(id) ? 1 : 0;
  const active = peers.filter((peer) => peer.active && !peer.learner).length + own;
  return { voters: voters.length, active };
}

/** Why this voter takes nothing in: who leads instead, or how many voters are missing. */
export function notLeading(raft: Raft): Failure {
  const { leader, id, voters } = raft;
  if (leader !== 0 && leader !== id)
    return failure('no-leader', `this voter does not lead the log; voter ${leader} leads`);
  const needed = majority(voters.length);
  const reachable = reachableVoters(raft);
  const why =
    reachable >= needed
      ? 'one is being elected'
      : `${reachable} of ${voters.length} managers ${are(reachable)} reachable, ${needed} ${are(needed)} needed`;
  return failure('no-leader', `the swarm does not have a leader: ${why}`);
}

function are(count: number): string {
  return count === 1 ? 'is' : 'are';
}
