import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  forgetUnlockKeys,
  type Identity,
  newSealKey,
  newUnlockKey,
  removeIdentity,
  setLock,
  unlock,
  writeIdentity,
} from '@shoal/pki';
import { eventually, statusOf, VoterHarness } from '@shoal/raft/service/testing';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RemoteReplica } from '../follower/remote-replica.ts';
import { hostStage } from './stage-process.ts';

let harness: VoterHarness;
let dataDir: string;
beforeEach(async () => {
  harness = await VoterHarness.start();
  dataDir = await mkdtemp(join(tmpdir(), 'shoal-host-'));
  vi.stubEnv('SHOAL_RUN_DIR', join(dataDir, 'run'));
});
afterEach(async () => {
  await forgetUnlockKeys(dataDir);
  vi.unstubAllEnvs();
  await harness.close();
  await rm(dataDir, { recursive: true, force: true });
});

async function identity(role: 'manager' | 'worker'): Promise<Identity> {
  const { clusterId, trustRoots, certificate, key } = await harness.proof(role);
  const voter = `127.0.0.1:${harness.voter.port}`;
  return {
    clusterId,
    nodeId: harness.nodeId,
    role,
    advertiseAddr: '127.0.0.1',
    listenAddr: role === 'manager' ? voter : '',
    logAddr: role === 'manager' ? voter : '',
    dispatcherAddr: '',
    managers: [],
    caCertificate: trustRoots,
    voterId: role === 'manager' ? 7 : 0,
    logKeys: [],
    certificate,
    key,
    sealKey: newSealKey(systemRandom),
  };
}

/** A stage as a process of its own, which only counts its steps. */
function host() {
  const fatal: unknown[] = [];
  const metrics = new Registry();
  const counted = { steps: 0 };
  const running = hostStage(
    {
      name: 'scheduler',
      version: '0',
      stage: () => ({
        name: 'scheduler',
        step: () => {
          counted.steps += 1;
          return [];
        },
      }),
    },
    {
      config: { dataDir, runDir: dataDir, logLevel: 'error', metricsListen: 'off', instance: '3' },
      version: '0',
      logger: silentLogger,
      metrics,
      clock: systemClock,
      random: systemRandom,
      fail: (error) => fatal.push(error),
    },
  );
  return { running, fatal, metrics, counted };
}

test('a stage runs while its host is a manager, and hands back its lease when it stops', async () => {
  const { running, fatal, metrics, counted } = host();
  const role = (): string => running.health().role;
  expect(running.health()).toMatchObject({ ready: true, role: 'standby' });

  const client = harness.client();
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger };
  const replica = new RemoteReplica({ ...ports, client: () => client, follower: 'test' });
  const leases = (): readonly string[] =>
    Array.from(replica.view.leases.values(), (lease) => lease.id);
  await writeIdentity(dataDir, await identity('manager'));
  await eventually(() => running.health().ready && role() === 'active', 'the stage is active');
  expect(counted.steps).toBeGreaterThan(0);
  await replica.catchUp();
  expect(leases()).toEqual([`scheduler@${harness.nodeId}/3`]);

  const before = replica.view.leases.get(`scheduler@${harness.nodeId}/3`)?.meta.version ?? 0;
  await writeIdentity(dataDir, await identity('manager'));
  await replica.catchUp();
  // A renewal cuts nothing: the streams stand, and with them the lease.
  expect((await statusOf(client)).followers).toBe(2);
  expect(running.health().ready).toBe(true);
  expect(replica.view.leases.get(`scheduler@${harness.nodeId}/3`)?.meta.version).toBe(before);

  await writeIdentity(dataDir, await identity('worker'));
  await eventually(() => role() === 'standby', 'the demoted host stands by');
  await eventually(() => leases().length === 0, 'the lease is given back');
  await writeIdentity(dataDir, await identity('manager'));
  await eventually(() => running.health().ready && role() === 'active', 'it is active again');
  await removeIdentity(dataDir);
  await eventually(() => role() === 'standby', 'a host without identity stands by');
  expect(await metrics.metrics()).toContain('shoal_stage_steps_total{stage="scheduler"}');
  await running.stop();
  replica.stop();
  expect(fatal).toEqual([]);
});

test('a stage stands by while the keys of its host are locked away, and says so', async () => {
  const { running, fatal } = host();
  const active = (): boolean => running.health().ready && running.health().role === 'active';
  await writeIdentity(dataDir, await identity('manager'));
  await eventually(active, 'the stage is active');
  const unlockKey = newUnlockKey(systemRandom);
  await setLock(dataDir, { unlockKey, version: 1 });
  expect(await unlock(dataDir, unlockKey)).toBe('not-locked');
  await forgetUnlockKeys(dataDir);
  await eventually(() => running.health().role === 'standby', 'the locked host stands by');
  expect(running.health()).toMatchObject({
    ready: true,
    detail: 'the swarm is locked: docker swarm unlock',
  });
  expect(await unlock(dataDir, unlockKey)).toBe('unlocked');
  await eventually(active, 'it is active again');
  await running.stop();
  expect(fatal).toEqual([]);
});
