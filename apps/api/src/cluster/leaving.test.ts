import type { Quorum, Reachability } from '@shoal/docker-api';
import { type Node, newMeta } from '@shoal/state';
import { expect, test } from 'vitest';
import { refuseManagerLeave } from './leaving.ts';
import type { Manager } from './standing.ts';

/** A manager among `count`, of whom the leader hears the first `heard`. */
function fakeManager(count: number, heard: number): Manager {
  const ids = Array.from({ length: count }, (_, at) => `m${at + 1}`);
  const nodes = new Map(
    ids.map((id, at): [string, Node] => [
      id,
      {
        id,
        meta: newMeta,
        spec: { Labels: {}, Role: 'manager', Availability: 'active' },
        role: 'manager',
        status: { state: 'ready', message: '', addr: '', dispatcher: '' },
        manager: { raftId: at + 1, addr: `${id}:2377` },
      },
    ]),
  );
  const reachability = new Map<string, Reachability>(
    ids.map((id, at) => [id, at < heard ? 'reachable' : 'unreachable']),
  );
  const quorum = async (): Promise<Quorum> => ({ leader: 'm1', reachability });
  return { identity: { nodeId: 'm1' }, replica: { view: { nodes } }, quorum } as unknown as Manager;
}

const lead = 'You are attempting to leave the swarm on a node that is participating as a manager. ';
const end =
  'The only way to restore a swarm that has lost consensus is to reinitialize it with `--force-new-cluster`. Use `--force` to suppress this message.';

test.each([
  [
    1,
    1,
    'Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. ',
  ],
  [
    2,
    2,
    `Removing this node leaves 1 managers out of 2. Without a Raft quorum your swarm will be inaccessible. ${end}`,
  ],
  [3, 3, end],
  [
    3,
    2,
    `Removing this node leaves 1 managers out of 3. Without a Raft quorum your swarm will be inaccessible. ${end}`,
  ],
  [5, 5, end],
  [5, 4, end],
  [
    5,
    3,
    `Removing this node leaves 2 managers out of 5. Without a Raft quorum your swarm will be inaccessible. ${end}`,
  ],
])('one of %i managers, of whom %i are heard', async (count, heard, rest) => {
  await expect(refuseManagerLeave(fakeManager(count, heard))).rejects.toMatchObject({
    status: 503,
    message: `${lead}${rest}`,
  });
});
