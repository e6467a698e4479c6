import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually, type TestHost, TestHosts } from '../testing/hosts.ts';

let site: TestHosts;
beforeEach(() => {
  site = new TestHosts();
});
afterEach(() => site.close());

async function three(): Promise<readonly [TestHost, TestHost, TestHost]> {
  const [a, b, c] = await site.start(3);
  if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
  await a.init();
  await b.join(a, a.token('manager'));
  await c.join(b, a.token('manager'));
  return [a, b, c];
}

/** Labels of the cluster, written through one host. */
async function label(host: TestHost, name: string): Promise<void> {
  await host.caughtUp();
  const { cluster } = host;
  const Labels = { ...cluster.spec.Labels, [name]: 'written' };
  const spec = { ...cluster.spec, Labels };
  return host.write({ op: 'update', table: 'cluster', object: { ...cluster, spec } });
}

function managers(host: TestHost): number {
  return [...host.view.nodes.values()].filter(({ manager }) => manager !== undefined).length;
}

const patience = 120_000;

describe('managers', () => {
  test(
    'join, take writes on each, and let one go',
    async () => {
      const [a, b, c] = await three();
      for (const host of [a, b, c]) expect(host.standing.kind).toBe('manager');
      await eventually('every manager is recorded', () => managers(a) === 3);
      for (const host of [a, b, c]) await label(host, host.address);
      for (const host of [a, b, c]) await host.caughtUp();
      expect(Object.keys(a.cluster.spec.Labels)).toEqual([a.address, b.address, c.address]);
      expect(b.image()).toBe(a.image());
      expect(c.image()).toBe(a.image());

      const { leader, reachability } = await c.manager.quorum();
      expect([a, b, c].map((host) => host.manager.identity.nodeId)).toContain(leader);
      expect([...reachability.values()]).toEqual(['reachable', 'reachable', 'reachable']);

      const left = b.manager.identity.nodeId;
      await expect(b.membership.leave(false)).rejects.toMatchObject({ status: 503 });
      await b.membership.leave(true);
      expect(b.standing.kind).toBe('inactive');
      expect(existsSync(join(b.dataDir, 'swarm'))).toBe(false);
      await eventually('the one that left is a worker', () => managers(a) === 2);
      expect(a.view.nodes.get(left)).toMatchObject({ role: 'worker', spec: { Role: 'worker' } });
      await label(c, 'after');
    },
    patience,
  );

  test(
    'restart one after the other and come back with all that was written',
    async () => {
      const [a, b, c] = await three();
      for (const host of [a, b, c]) {
        await host.restart();
        await eventually(`${host.address} is a manager`, () => host.standing.kind === 'manager');
        await label(host, host.address);
      }
      await a.caughtUp();
      expect(Object.keys(a.cluster.spec.Labels)).toEqual([a.address, b.address, c.address]);
    },
    patience,
  );

  test(
    'one whose disk is an older copy says so, and is tried ever more rarely',
    async () => {
      const [a, , c] = await three();
      const copy = join(site.directory, 'copy');
      await c.membership.stop();
      cpSync(c.dataDir, copy, { recursive: true });
      await c.restart();
      await eventually('c is a manager again', () => c.standing.kind === 'manager');
      for (const name of ['one', 'two']) await label(a, name);
      await c.caughtUp();
      await c.membership.stop();
      rmSync(c.dataDir, { recursive: true });
      cpSync(copy, c.dataDir, { recursive: true });
      await c.restart();
      const reason = await eventually('it says why', () =>
        c.standing.kind === 'error' ? c.standing.message : undefined,
      );
      expect(reason).toContain('no longer has entries that it acknowledged');
    },
    patience,
  );

  test(
    'a demoted one becomes a worker and can be promoted again',
    async () => {
      const [a, b] = await three();
      const { nodeId, voterId } = b.manager.identity;
      await a.setRole(nodeId, 'worker');
      const worker = await eventually('it is a worker', () =>
        b.standing.kind === 'worker' ? b.standing.identity : undefined,
      );
      expect(worker).toMatchObject({ role: 'worker', voterId: 0, logAddr: '', logKeys: [] });
      expect(worker.sealKey).toBeUndefined();
      expect(existsSync(join(b.dataDir, 'swarm', 'log'))).toBe(false);
      expect(managers(a)).toBe(2);

      await a.setRole(nodeId, 'manager');
      await eventually('the log allows it', () => a.view.nodes.get(nodeId)?.role === 'manager');
      await b.renewAsAgent();
      await eventually('it is a manager again', () => b.standing.kind === 'manager');
      expect(b.manager.identity.voterId).not.toBe(voterId);
      await label(b, 'back');
    },
    patience,
  );

  test(
    'one that survives alone answers reads, refuses writes, and is made the swarm anew',
    async () => {
      const [a, b, c] = await three();
      await label(b, 'before');
      await eventually('it has arrived', () => a.cluster.spec.Labels['before']);
      await b.membership.stop();
      await c.membership.stop();
      const refused = await a.manager.replica.catchUp();
      expect(refused).toMatchObject({ kind: 'failed', code: 'no-leader' });
      expect((await a.manager.quorum()).leader).toBeUndefined();
      expect(a.cluster.spec.Labels['before']).toBe('written');

      const { nodeId, voterId } = a.manager.identity;
      expect(await a.init({ ForceNewCluster: true })).toBe(nodeId);
      expect(a.manager.identity.voterId).toBe(voterId);
      expect(a.cluster.spec.Labels['before']).toBe('written');
      const others = [...a.view.nodes.values()].filter(({ id }) => id !== nodeId);
      expect(others).toHaveLength(2);
      for (const other of others)
        expect(other).toMatchObject({
          role: 'worker',
          spec: { Role: 'worker' },
          status: { state: 'down' },
        });
      await label(a, 'alone');
      await a.restart();
      await eventually('it is the manager', () => a.standing.kind === 'manager');
      await label(a, 'again');
      expect(Object.keys(a.cluster.spec.Labels)).toEqual(['before', 'alone', 'again']);
    },
    patience,
  );
});

test(
  'a copy of a manager that was stopped is a swarm again, on another host and with all that was written',
  async () => {
    const [a, b, d] = await site.start(3);
    if (a === undefined || b === undefined || d === undefined) throw new Error('three hosts');
    await a.init();
    await b.join(a, a.token('manager'));
    await label(a, 'before');
    const { nodeId } = a.manager.identity;
    for (const host of [a, b]) await host.membership.stop();
    cpSync(a.dataDir, d.dataDir, { recursive: true });
    await d.restart();
    expect(await d.init({ ForceNewCluster: true })).toBe(nodeId);
    await label(d, 'after');
    expect(Object.keys(d.cluster.spec.Labels)).toEqual(['before', 'after']);
  },
  patience,
);

describe('locked managers', () => {
  test(
    'start when they are unlocked, with the key of the time they went',
    async () => {
      const [a, b] = await site.start(2);
      if (a === undefined || b === undefined) throw new Error('two hosts');
      await a.init({ AutoLockManagers: true });
      const key = a.unlockKey();
      await b.join(a, a.token('manager'));
      await eventually('the keys of the second are wrapped', () => b.isWrapped());
      await a.restart();
      expect(a.standing.kind).toBe('locked');
      const other = `SWMKEY-1-${'A'.repeat(43)}`;
      await expect(a.membership.unlock('SWMKEY-1-bogus')).rejects.toMatchObject({ status: 400 });
      await expect(a.membership.unlock(other)).rejects.toMatchObject({ status: 401 });
      await expect(a.membership.leave(false)).rejects.toMatchObject({ status: 503 });
      await a.membership.unlock(key);
      expect(a.standing.kind).toBe('manager');
      await expect(a.membership.unlock(key)).rejects.toMatchObject({ status: 409 });

      await a.update({ rotateUnlockKey: true });
      const fresh = a.unlockKey();
      expect(fresh).not.toBe(key);
      const version = a.cluster.unlockKey?.version;
      await eventually('it is wrapped by the new key', () => a.isWrappedBy(version));
      await a.restart();
      await expect(a.membership.unlock(key)).rejects.toMatchObject({ status: 401 });
      await a.membership.unlock(fresh);
      await label(a, 'unlocked');
      const { spec } = a.cluster;
      await a.update({ spec: { ...spec, EncryptionConfig: { AutoLockManagers: false } } });
      await eventually('the keys lie open', async () => !(await a.isWrapped()));
      await a.restart();
      await eventually('it starts by itself', () => a.standing.kind === 'manager');
    },
    patience,
  );

  test.each([
    ['in the spec', { Spec: { EncryptionConfig: { AutoLockManagers: true } } }],
    ['beside the spec', { AutoLockManagers: true }],
  ])(
    'lock what they keep when the swarm is made anew with autolock, asked for %s',
    async (_where, asked) => {
      const [a] = await site.start(1);
      if (a === undefined) throw new Error('one host');
      await a.init();
      await a.init({ ForceNewCluster: true, ...asked });
      expect(a.cluster.spec.EncryptionConfig).toEqual({ AutoLockManagers: true });
      const key = a.unlockKey();
      await eventually('its keys are wrapped', () => a.isWrapped());
      await a.init({ ForceNewCluster: true });
      expect(a.unlockKey()).toBe(key);
    },
    patience,
  );
});
