import type { LogIndex } from '@shoal/runtime';
import type { Node, StateView } from '@shoal/state';
import { describe, expect, test } from 'vitest';
import { promotionLagMax } from '../core/membership.ts';
import type { PeerStatus } from '../node/status.ts';
import type { Member, Membership, VoterId } from '../types.ts';
import { decide, type MemberAction, membersStatus } from './members.ts';

const member = (id: number, nodeId = `n${id}`): Member => ({
  id: id as VoterId,
  nodeId,
  addr: `10.0.0.${id}:2377`,
});

interface Known {
  readonly spec: 'manager' | 'worker';
  readonly role: 'manager' | 'worker';
  /** The voter in its record. */
  readonly raftId?: number;
  readonly addr?: string;
}

/** A node as text: wanted role / role / voter in its record. */
function known(text: string): Known {
  const [spec, role, raftId] = text.split('/');
  const long = (letter: string | undefined) => (letter === 'M' ? 'manager' : 'worker');
  return {
    spec: long(spec),
    role: long(role),
    ...(raftId === undefined ? {} : { raftId: Number(raftId) }),
  };
}

function viewOf(nodes: Record<string, string>, cluster = true): StateView {
  const all = new Map(
    Object.entries(nodes).map(([id, text]) => {
      const { spec, role, raftId } = known(text);
      const manager = raftId === undefined ? undefined : { raftId, addr: member(raftId).addr };
      const node = { id, spec: { Labels: {}, Role: spec, Availability: 'active' }, role };
      return [id, { ...node, ...(manager === undefined ? {} : { manager }) } as Node];
    }),
  );
  return { cluster: cluster ? {} : undefined, nodes: all } as unknown as StateView;
}

function shown(action: MemberAction): string {
  if (action.kind === 'transfer') return 'transfer';
  if (action.kind === 'change') {
    const { change } = action;
    return `${change.kind} ${change.kind === 'add-learner' ? change.member.id : change.id}`;
  }
  const { id, role, manager } = action.node;
  return `write ${id} ${role}${manager === undefined ? '' : ` ${manager.raftId}`}`;
}

interface Case {
  readonly name: string;
  readonly nodes: Record<string, string>;
  readonly voters: readonly Member[];
  readonly learners?: readonly Member[];
  /** Voters that are heard; all when absent. */
  readonly active?: readonly number[];
  /** Learners that may be promoted; all when absent. */
  readonly caughtUp?: readonly number[];
  readonly self?: number;
  readonly expected: readonly string[];
}

const three = [member(1), member(2), member(3)];
const healthy = { n1: 'M/M/1', n2: 'M/M/2', n3: 'M/M/3' };

const cases: readonly Case[] = [
  { name: 'all is as it should be', nodes: healthy, voters: three, expected: [] },
  {
    name: 'a voter whose node has no record of it',
    nodes: { ...healthy, n2: 'M/M' },
    voters: three,
    expected: ['write n2 manager 2'],
  },
  {
    name: 'a voter whose record names another',
    nodes: { ...healthy, n2: 'M/M/9' },
    voters: three,
    expected: ['write n2 manager 2'],
  },
  {
    name: 'a worker that is promoted first gets the role',
    nodes: { ...healthy, n4: 'M/W' },
    voters: three,
    expected: ['write n4 manager'],
  },
  {
    name: 'a manager that has not joined yet is waited for',
    nodes: { ...healthy, n4: 'M/M' },
    voters: three,
    expected: [],
  },
  {
    name: 'a learner is promoted; its record waits until it counts',
    nodes: { ...healthy, n4: 'M/M' },
    voters: three,
    learners: [member(4)],
    expected: ['promote 4'],
  },
  {
    name: 'a learner that has caught up is promoted whatever the others do',
    nodes: { ...healthy, n4: 'M/M', n5: 'M/M' },
    voters: three,
    learners: [member(4), member(5)],
    caughtUp: [5],
    expected: ['promote 5'],
  },
  {
    name: 'a learner that lacks much is waited for',
    nodes: { ...healthy, n4: 'M/M' },
    voters: three,
    learners: [member(4)],
    caughtUp: [],
    expected: [],
  },
  {
    name: 'a learner that is no manager any more is removed at once',
    nodes: { ...healthy, n4: 'W/M' },
    voters: three,
    learners: [member(4)],
    expected: ['remove 4'],
  },
  {
    name: 'a manager that is demoted is removed, and keeps its role until it is',
    nodes: { ...healthy, n3: 'W/M/3' },
    voters: three,
    expected: ['remove 3'],
  },
  {
    name: 'its role follows when it is no member any more',
    nodes: { n1: 'M/M/1', n2: 'M/M/2', n3: 'W/M/3' },
    voters: [member(1), member(2)],
    expected: ['write n3 worker'],
  },
  {
    name: 'it is not removed while that would lose the quorum',
    nodes: { ...healthy, n3: 'W/M/3' },
    voters: three,
    active: [1, 3],
    expected: [],
  },
  {
    name: 'one that is dead may go while the others are a quorum',
    nodes: { ...healthy, n3: 'W/M/3' },
    voters: three,
    active: [1, 2],
    expected: ['remove 3'],
  },
  {
    name: 'a leader that is demoted hands over first',
    nodes: { ...healthy, n1: 'W/M/1' },
    voters: three,
    expected: ['transfer'],
  },
  {
    name: 'the last voter stays',
    nodes: { n1: 'W/M/1' },
    voters: [member(1)],
    expected: [],
  },
  {
    name: 'a member whose node is gone is removed',
    nodes: { n1: 'M/M/1', n2: 'M/M/2' },
    voters: three,
    expected: ['remove 3'],
  },
  {
    name: 'of two voters of one node the older goes',
    nodes: { n1: 'M/M/1', n2: 'M/M/2', n3: 'M/M/3' },
    voters: [...three, member(8, 'n3')],
    active: [1, 2, 8],
    expected: ['write n3 manager 8', 'remove 3'],
  },
  {
    name: 'one that left has no record any more',
    nodes: { n1: 'M/M/1', n2: 'M/M/2', n3: 'M/M/3' },
    voters: [member(1), member(2)],
    expected: ['write n3 manager'],
  },
];

describe('what the leader does about members', () => {
  test.each(cases)(
    '$name',
    ({ nodes, voters, learners = [], active, caughtUp, self = 1, expected }) => {
      const membership: Membership = { voters, learners };
      const heard = new Set((active ?? voters.map(({ id }) => id)) as VoterId[]);
      const ready = new Set((caughtUp ?? learners.map(({ id }) => id)) as VoterId[]);
      const status = { self: self as VoterId, active: heard, caughtUp: ready };
      const actions = decide(viewOf(nodes), membership, status);
      expect(actions.map(shown)).toEqual(expected);
    },
  );

  test('before there is a cluster nothing is done', () => {
    const membership: Membership = { voters: three, learners: [] };
    const status = { self: 1 as VoterId, active: new Set<VoterId>(), caughtUp: new Set<VoterId>() };
    expect(decide(viewOf({}, false), membership, status)).toEqual([]);
  });

  test('a record with an address that changed is written anew', () => {
    const moved = { ...member(2), addr: '10.9.9.9:2377' };
    const membership: Membership = { voters: [member(1), moved, member(3)], learners: [] };
    const active = new Set([1, 2, 3] as VoterId[]);
    const status = { self: 1 as VoterId, active, caughtUp: new Set<VoterId>() };
    const [action] = decide(viewOf(healthy), membership, status);
    expect(action).toMatchObject({
      kind: 'write',
      node: { id: 'n2', manager: { addr: moved.addr } },
    });
  });
});

describe('what the leader knows of the others', () => {
  const committed = 5_000;
  const peer = (id: number, active: boolean, match: number): PeerStatus => ({
    ...{ id: id as VoterId, active, match: match as LogIndex },
    ...{ learner: true, state: 'replicate' },
  });

  test.each([
    { name: 'one that has everything', active: true, match: committed, caughtUp: true },
    { name: 'one that lacks a little', active: true, match: 4_000, caughtUp: true },
    { name: 'one that lacks too much', active: true, match: 3_999, caughtUp: false },
    { name: 'one that is silent', active: false, match: committed, caughtUp: false },
  ])('$name', ({ active, match, caughtUp }) => {
    expect(promotionLagMax).toBe(1_000);
    const peers = [peer(4, active, match)];
    const log = { id: 1 as VoterId, committed: committed as LogIndex, peers };
    expect(membersStatus(log)).toEqual({
      self: 1,
      active: new Set(active ? [1, 4] : [1]),
      caughtUp: new Set(caughtUp ? [4] : []),
    });
  });
});
