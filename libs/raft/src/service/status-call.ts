import type { MemberStatus, StatusResponse } from '@shoal/proto';
import type { Clock } from '@shoal/runtime';
import { memberOf } from '../core/membership.ts';
import type { RaftStatus } from '../node/status.ts';
import type { Member } from '../types.ts';
import { forwardedMetadata, type LeaderRoute } from './leader-route.ts';

/** Longest wait for the leader's view of the members, milliseconds. */
const leaderStatusMsMax = 1_000;

type MembersPart = 'followers' | 'leaderNodeId' | 'learner' | 'members' | 'voters' | 'active';

/** What a voter says of itself; where there is only one, nothing of members. */
export type OwnStatus = Omit<StatusResponse, MembersPart> &
  Partial<Pick<StatusResponse, Exclude<MembersPart, 'followers'>>>;

export function completeStatus(own: OwnStatus, followers: number): StatusResponse {
  const none = { leaderNodeId: '', learner: false, members: [], voters: 1, active: 0 };
  return { ...none, ...own, followers };
}

/** The voter's own view of the log and its members. */
export function wireStatus(status: RaftStatus): OwnStatus {
  const { id, leader, term, membership, quorum, storageError } = status;
  return {
    voterId: id,
    leaderId: leader,
    leaderNodeId: leader === 0 ? '' : (memberOf(membership, leader)?.nodeId ?? ''),
    term,
    committed: status.committed,
    applied: status.applied,
    firstIndex: status.first,
    lastIndex: status.last,
    snapshotIndex: status.snapshot,
    storageError: storageError?.message ?? '',
    learner: membership.learners.some((member) => member.id === id),
    members: [
      ...membership.voters.map((member) => memberStatus(member, false, status)),
      ...membership.learners.map((member) => memberStatus(member, true, status)),
    ],
    voters: quorum.voters,
    active: quorum.active ?? 0,
  };
}

function memberStatus(member: Member, learner: boolean, status: RaftStatus): MemberStatus {
  const { id, leader, peers } = status;
  const peer = peers.find((known) => known.id === member.id);
  const own = member.id === id;
  return {
    member: { id: member.id, nodeId: member.nodeId, addr: member.addr },
    learner,
    reachable: own || (peer?.active ?? false),
    leader: member.id === leader,
    match: own ? status.committed : (peer?.match ?? 0),
  };
}

/** Members as the leader sees them, if it answers soon. */
export function statusWithMembers(
  own: StatusResponse,
  route: LeaderRoute,
  clock: Clock,
): Promise<StatusResponse> {
  const { current } = route;
  if (current.kind !== 'peer') return Promise.resolve(own);
  const { log } = route.clientsOf(current.member);
  const deadline = clock.now() + leaderStatusMsMax;
  return new Promise((resolve) => {
    log.status({}, forwardedMetadata(), { deadline }, (error, seen) => {
      if (error !== null || seen.leaderId !== seen.voterId) return resolve(own);
      const { members, voters, active } = seen;
      resolve({ ...own, members, voters, active });
    });
  });
}
