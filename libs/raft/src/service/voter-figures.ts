import type { Role } from '../core/state.ts';
import type { RaftNode } from '../node/raft-node.ts';
import type { PeerTransport } from './peer-transport.ts';
import type { VoterFigures } from './worker-protocol.ts';
import type { WriteTimes } from './write-times.ts';

/** Counts the elections this voter stood in. */
export class RoleWatch {
  elections = 0;
  won = 0;
  #role: Role['kind'] = 'follower';

  seen(role: Role['kind']): void {
    if (role === this.#role) return;
    if (role === 'candidate') this.elections += 1;
    if (role === 'leader') this.won += 1;
    this.#role = role;
  }
}

export function figuresOf(
  log: {
    readonly node: RaftNode;
    readonly transport: PeerTransport;
    readonly roles: RoleWatch;
    readonly writes: WriteTimes;
  },
  proposalsForwarded: number,
): Omit<VoterFigures, 'audit'> {
  const { node, transport, roles } = log;
  const { counts, sumMs } = log.writes;
  const { role, membership, peers, writes, entriesWritten, last, id } = node.status;
  const connections = new Map(transport.connections.map((peer) => [peer.id, peer]));
  const others = [...membership.voters, ...membership.learners].filter((peer) => peer.id !== id);
  return {
    role,
    writes,
    entriesWritten,
    writeTimes: { counts: [...counts], sumMs },
    elections: roles.elections,
    electionsWon: roles.won,
    proposalsForwarded,
    peers: others.map((member) => {
      const connection = connections.get(member.id);
      const progress = peers.find((peer) => peer.id === member.id);
      return {
        id: member.id,
        nodeId: member.nodeId,
        connected: connection?.connected ?? false,
        lag: progress === undefined ? 0 : last - progress.match,
        waitingMessages: connection?.waitingMessages ?? 0,
        waitingBytes: connection?.waitingBytes ?? 0,
        droppedMessages: connection?.dropped ?? 0,
      };
    }),
  };
}
