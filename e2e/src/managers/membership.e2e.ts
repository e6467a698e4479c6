// Joining, promotion, demotion and leaving, with the docker command line and the texts users know.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import {
  allReady,
  clusterAddress,
  containersByMachine,
  join,
  joinToken,
  leaderOf,
  nodeRow,
  nodeRows,
} from './swarm.ts';

const workerRefusal =
  /This node is not a swarm manager\. Worker nodes can't be used to view or modify cluster state/;
const invalidToken = /valid join token is necessary to join this cluster/;

let fleet: Fleet;
let m1: Machine;
let m2: Machine;
let m3: Machine;
let w1: Machine;
let w2: Machine;

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'm2', 'm3', 'w1', 'w2']);
  [m1, m2, m3, w1, w2] = fleet.machines as [Machine, Machine, Machine, Machine, Machine];
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

const complaintOf = async (machine: Machine, ...args: readonly string[]): Promise<string> => {
  const { code, stderr } = await machine.tryDocker(args);
  expect(code, stderr).not.toBe(0);
  return stderr;
};
const isManager = (machine: Machine): Promise<boolean> =>
  machine.tryDocker(['node', 'ls']).then(({ code }) => code === 0);

describe('joining', () => {
  test('managers and workers say what they joined as', async () => {
    const made = await m1.docker('swarm', 'init');
    expect(made).toMatch(/Swarm initialized: current node \(\w{25}\) is now a manager\./);
    expect(made).toContain(
      `docker swarm join --token ${await joinToken(m1, 'worker')} ${clusterAddress(m1)}`,
    );
    expect(await join(m2, m1, 'manager')).toBe('This node joined a swarm as a manager.\n');
    expect(await join(w1, m1, 'worker')).toBe('This node joined a swarm as a worker.\n');
  });

  test('any manager lets others in, not only the one that leads', async () => {
    expect(await join(m3, m2, 'manager')).toBe('This node joined a swarm as a manager.\n');
    expect(await join(w2, m2, 'worker')).toBe('This node joined a swarm as a worker.\n');
    await allReady(m1, 5);
  });

  test('every manager shows the same nodes; workers show none', async () => {
    const shown = await eventually('all managers are reachable', async () => {
      const rows = await nodeRows(m1);
      return rows.filter(({ manager }) => manager === 'Reachable').length === 2 && rows;
    });
    expect(shown.map(({ hostname, manager }) => [hostname, manager])).toEqual(
      expect.arrayContaining([
        ['m1', 'Leader'],
        ['m2', 'Reachable'],
        ['m3', 'Reachable'],
        ['w1', ''],
        ['w2', ''],
      ]),
    );
    expect(await nodeRows(m2)).toEqual(shown);
    expect(await nodeRows(m3)).toEqual(shown);
    expect(await complaintOf(w1, 'node', 'ls')).toMatch(workerRefusal);
    const counts = ['info', '--format', '{{.Swarm.Managers}} {{.Swarm.Nodes}}'];
    expect((await m3.docker(...counts)).trim()).toBe('3 5');
  });

  test('who is a member already does not join again', async () => {
    const token = await joinToken(m1, 'worker');
    const already = /This node is already part of a swarm\. Use "docker swarm leave" to leave/;
    const again = ['swarm', 'join', '--token', token, clusterAddress(m1)];
    expect(await complaintOf(w1, ...again)).toMatch(already);
    expect(await complaintOf(m2, 'swarm', 'init')).toMatch(already);
  });

  test('a service that a follower takes orders for runs on all machines', async () => {
    await m2.docker('service', 'create', '--name=web', '--replicas=5', 'whoami');
    const containers = await containersByMachine(fleet.machines, 'web');
    expect([...containers.values()].map((ids) => ids.length)).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('promotion', () => {
  test('makes a manager of a worker, and demotion a worker again, while its container runs on', async () => {
    const before = await w1.containers('web');
    expect(await m2.docker('node', 'promote', 'w1')).toBe(
      'Node w1 promoted to a manager in the swarm.\n',
    );
    await eventually('w1 is a manager', async () => {
      return (await nodeRow(m1, 'w1')).manager === 'Reachable' && isManager(w1);
    });
    await w1.docker('service', 'update', '--detach', '--label-add=by=w1', 'web');
    expect(await m3.docker('node', 'demote', 'w1')).toBe('Manager w1 demoted in the swarm.\n');
    await eventually('w1 is a worker', async () => {
      const { stderr } = await w1.tryDocker(['node', 'ls']);
      return (await nodeRow(m1, 'w1')).manager === '' && workerRefusal.test(stderr);
    });
    await allReady(m1, 5);
    expect(await w1.containers('web')).toEqual(before);
  });

  test('the leader can be demoted: another one leads', async () => {
    const leader = await leaderOf(fleet, m1);
    const other = leader === m1 ? m2 : m1;
    await other.docker('node', 'demote', leader.name);
    const next = await eventually('another leader', async () => {
      const found = await leaderOf(fleet, other);
      return found !== leader && !(await isManager(leader)) && found;
    });
    await next.docker('node', 'promote', leader.name);
    await eventually('it is a manager again', () => isManager(leader));
    await allReady(m1, 5);
  });
});

describe('leaving', () => {
  test('a manager is told what its leaving would mean', async () => {
    const complaint = await complaintOf(m3, 'swarm', 'leave');
    expect(complaint).toContain(
      'You are attempting to leave the swarm on a node that is participating as a manager. ',
    );
    expect(complaint).toContain('Use `--force` to suppress this message.');
    expect(await nodeRow(m1, 'm3')).toMatchObject({ status: 'Ready' });
  });

  test('a ready node cannot be removed, a manager not at all', async () => {
    const complaint = await complaintOf(m1, 'node', 'rm', 'w2');
    expect(complaint).toMatch(/node \w{25} is not down and can't be removed/);
    expect(await complaintOf(m1, 'node', 'rm', '--force', 'm2')).toContain(
      'is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal',
    );
  });

  test('a worker that left has no containers of the swarm; its node turns down and can be removed', async () => {
    expect(await w2.docker('swarm', 'leave')).toBe('Node left the swarm.\n');
    await eventually(
      'its containers are gone',
      async () => (await w2.containers('web')).size === 0,
    );
    await eventually('w2 is down', async () => (await nodeRow(m1, 'w2')).status === 'Down');
    const w2Id = (await m1.docker('node', 'inspect', '--format', '{{.ID}}', 'w2')).trim();
    await m2.shoal('settings', 'set', 'shoal.nodes.remove-after=10s');
    await eventually('w2 is removed', async () => {
      return !(await nodeRows(m2)).some(({ hostname }) => hostname === 'w2');
    });
    await m2.shoal('settings', 'set', 'shoal.nodes.remove-after=');
    expect(await complaintOf(m1, 'node', 'rm', w2Id)).toContain(`node ${w2Id} not found`);
  });

  test('a manager that leaves by force is a voter no more', async () => {
    expect(await m3.docker('swarm', 'leave', '--force')).toBe('Node left the swarm.\n');
    await eventually('two managers', async () => {
      const info = await m1.docker('info', '--format', '{{.Swarm.Managers}}');
      return info.trim() === '2';
    });
    await m1.docker('service', 'update', '--detach', '--label-add=by=m1', 'web');
  });
});

describe('tokens', () => {
  test('one that is none, one with another secret, and an old one are refused', async () => {
    const token = await joinToken(m1, 'worker');
    const attempt = (text: string): Promise<string> =>
      complaintOf(w2, 'swarm', 'join', '--token', text, clusterAddress(m1));
    expect(await attempt('SWMTKN-1-nonsense')).toContain('invalid join token');
    const forged = token.replace(/.{25}$/, '0'.repeat(25));
    expect(await attempt(forged)).toMatch(invalidToken);
    expect(await m1.docker('swarm', 'join-token', '--rotate', 'worker')).toContain(
      'Successfully rotated worker join token.',
    );
    expect(await attempt(token)).toMatch(invalidToken);
  });

  test('with the new one, the machine that left comes back as a new node', async () => {
    expect(await join(w2, m1, 'worker')).toBe('This node joined a swarm as a worker.\n');
    await eventually('w2 is ready', async () => (await nodeRow(m1, 'w2')).status === 'Ready');
  });

  test('where nobody listens, one sentence says so', async () => {
    const token = await joinToken(m1, 'worker');
    const complaint = await complaintOf(m3, 'swarm', 'join', '--token', token, '10.78.0.99:2377');
    expect(complaint.trim().split('\n')).toHaveLength(1);
    expect(complaint).toContain('10.78.0.99:2377');
  });
});
