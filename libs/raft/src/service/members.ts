import type { LogIndex } from '@shoal/runtime';
import type { Node, StateView } from '@shoal/state';
import { promotionLagMax } from '../core/membership.ts';
import type { PeerStatus } from '../node/status.ts';
import type { Member, Membership, MembershipChange, VoterId } from '../types.ts';

/** What the leader knows of the others. */
export interface MembersStatus {
  readonly self: VoterId;
  /** Voters the leader hears, itself included. */
  readonly active: ReadonlySet<VoterId>;
  /** Others it hears that have nearly the whole log: learners among them may vote. */
  readonly caughtUp: ReadonlySet<VoterId>;
}

/** As the log's own status has it. */
export function membersStatus({
  id,
  committed,
  peers,
}: {
  readonly id: VoterId;
  readonly committed: LogIndex;
  readonly peers: readonly PeerStatus[];
}): MembersStatus {
  const heard = peers.filter(({ active }) => active);
  const near = heard.filter(({ match }) => committed - match <= promotionLagMax);
  return {
    self: id,
    active: new Set([id, ...heard.map((peer) => peer.id)]),
    caughtUp: new Set(near.map((peer) => peer.id)),
  };
}

export type MemberAction =
  | { readonly kind: 'change'; readonly change: MembershipChange; readonly reason: string }
  /** This voter is to go: another one has to lead first. */
  | { readonly kind: 'transfer'; readonly reason: string }
  | { readonly kind: 'write'; readonly node: Node; readonly reason: string };

/**
 * What makes the log's members and the cluster's nodes agree: who is to be a manager and is not, who
 * is a member and should not be. Changes come one at a time; writes may be many.
 */
export function decide(
  view: StateView,
  membership: Membership,
  status: MembersStatus,
): readonly MemberAction[] {
  // Before the cluster exists nobody has said yet who its managers are.
  if (view.cluster === undefined) return [];
  const members = [...membership.voters, ...membership.learners];
  // A node that joined again has its newest member last.
  const newest = new Map(members.map((member) => [member.nodeId, member]));
  const change = changeOf(view, membership, newest, status);
  const writes = [...view.nodes.values()].flatMap((node) => {
    const member = newest.get(node.id);
    const votes = member !== undefined && membership.voters.includes(member);
    return writeOf(node, member, votes);
  });
  return change === undefined ? writes : [...writes, change];
}

function changeOf(
  view: StateView,
  membership: Membership,
  newest: ReadonlyMap<string, Member>,
  status: MembersStatus,
): MemberAction | undefined {
  const { voters, learners } = membership;
  for (const member of [...learners, ...voters]) {
    const reason = unwanted(view, member, newest);
    if (reason === undefined) continue;
    if (member.id === status.self) {
      if (voters.length > 1) return { kind: 'transfer', reason };
    } else if (learners.includes(member) || quorumWithout(member.id, voters, status.active)) {
      return { kind: 'change', change: { kind: 'remove', id: member.id }, reason };
    }
  }
  // One that does not catch up must not keep the others waiting.
  const learner = learners.find(({ id }) => status.caughtUp.has(id));
  if (learner === undefined) return undefined;
  const change = { kind: 'promote', id: learner.id } as const;
  return { kind: 'change', change, reason: 'manager joined' };
}

function unwanted(
  view: StateView,
  member: Member,
  newest: ReadonlyMap<string, Member>,
): string | undefined {
  const node = view.nodes.get(member.nodeId);
  if (node === undefined) return 'node removed';
  if (node.spec.Role === 'worker') return 'manager demoted';
  return newest.get(member.nodeId) === member ? undefined : 'manager joined again';
}

/** Whether those that stay and are heard are a majority of those that stay. */
export function quorumWithout(
  id: VoterId,
  voters: readonly Member[],
  active: ReadonlySet<VoterId>,
): boolean {
  const staying = voters.filter((voter) => voter.id !== id);
  const heard = staying.filter((voter) => active.has(voter.id));
  return heard.length > staying.length / 2;
}

function writeOf(node: Node, member: Member | undefined, votes: boolean): MemberAction[] {
  const wanted = node.spec.Role === 'manager';
  // A manager's role in the cluster ends only after its membership has.
  const role = wanted || member !== undefined ? (wanted ? 'manager' : node.role) : 'worker';
  const manager = managerOf(node, member, votes);
  const same =
    node.role === role &&
    node.manager?.raftId === manager?.raftId &&
    node.manager?.addr === manager?.addr;
  if (same) return [];
  const { manager: _before, ...rest } = node;
  const after: Node = { ...rest, role, ...(manager === undefined ? {} : { manager }) };
  const reason = role === node.role ? 'manager address' : `${node.role} became ${role}`;
  return [{ kind: 'write', node: after, reason }];
}

/** A learner's record waits until it counts; one that is about to go keeps its own. */
function managerOf(node: Node, member: Member | undefined, votes: boolean): Node['manager'] {
  if (member === undefined) return undefined;
  return votes ? { raftId: member.id, addr: member.addr } : node.manager;
}
