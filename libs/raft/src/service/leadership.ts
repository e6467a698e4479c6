import { memberOf } from '../core/membership.ts';
import { majority } from '../core/quorum.ts';
import type { RaftNode } from '../node/raft-node.ts';
import type { Leadership } from './leader-route.ts';
import type { PeerTransport } from './peer-transport.ts';

export const leadsHere: Leadership = { kind: 'here' };

/** Where the leader is; if nowhere, how many managers are missing. */
export function leadership(node: RaftNode, transport: PeerTransport): Leadership {
  const { id, leader, membership } = node.status;
  const member = leader === 0 || leader === id ? undefined : memberOf(membership, leader);
  if (member !== undefined) return { kind: 'peer', member };
  const connected = new Set(
    transport.connections.filter((peer) => peer.connected).map((peer) => peer.id),
  );
  const { voters } = membership;
  const reachable = voters.filter((voter) => voter.id === id || connected.has(voter.id)).length;
  const needed = majority(voters.length);
  if (reachable >= needed)
    return { kind: 'none', message: 'the swarm does not have a leader: one is being elected' };
  const are = (count: number): string => `${count === 1 ? 'is' : 'are'}`;
  const message =
    `the swarm does not have a leader: ${reachable} of ${voters.length} managers ` +
    `${are(reachable)} reachable, ${needed} ${are(needed)} needed`;
  return { kind: 'none', message };
}
