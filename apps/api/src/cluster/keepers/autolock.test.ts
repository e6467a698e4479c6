import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSwarmInit } from '@shoal/docker-api';
import { forgetUnlockKeys, type Identity, loadIdentity, lockOf, writeIdentity } from '@shoal/pki';
import { type Random, silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLog } from '@shoal/stage/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventually, TestHosts } from '../../testing/hosts.ts';
import { conceive, type Genesis } from '../genesis.ts';
import { keepLock } from './autolock.ts';

const numbers = ({ logKeys }: Identity): readonly number[] => logKeys.map(({ number }) => number);

async function onDisk(dataDir: string): Promise<Identity> {
  const state = await loadIdentity(dataDir);
  if (state.kind !== 'complete') throw new Error(state.kind);
  return state.identity;
}

describe('when autolock begins', () => {
  const place = {
    listen: { host: '0.0.0.0', port: 2_377 },
    advertise: { host: '10.0.0.1', port: 2_377 },
    dispatcher: { host: '0.0.0.0', port: 2_378 },
  };
  let scratch: string;
  let dataDir: string;
  let genesis: Genesis;
  let clock: FakeClock;
  let told: Identity;
  let stop: (() => Promise<void>) | undefined;
  beforeEach(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'shoal-autolock-'));
    dataDir = join(scratch, 'data');
    vi.stubEnv('SHOAL_RUN_DIR', join(scratch, 'run'));
    const asked = parseSwarmInit({ ListenAddr: '0.0.0.0:2377', AutoLockManagers: true });
    genesis = await conceive(asked, place, systemClock, systemRandom);
    told = genesis.identity;
    await writeIdentity(dataDir, told);
    clock = new FakeClock();
  });
  afterEach(async () => {
    await stop?.();
    await forgetUnlockKeys(dataDir);
    vi.unstubAllEnvs();
    rmSync(scratch, { recursive: true });
  });

  async function keep(random: Random): Promise<void> {
    const log = new FakeLog({ clock, random: systemRandom });
    const replica = log.replica();
    const { changes } = genesis;
    const actor = { kind: 'user', name: 'test' } as const;
    await replica.propose([
      { id: 't', actor, reason: 'a test', decidedAt: log.committed, changes },
    ]);
    const { sealKey } = told;
    if (sealKey === undefined) throw new Error('a manager has a seal key');
    const manager = {
      get identity() {
        return told;
      },
      sealKey,
      replica,
      voter: { status: () => Promise.reject(new Error('nobody asks')) },
      renew: (identity: Identity) => {
        told = identity;
      },
    };
    stop = keepLock(manager, { dataDir, random, clock, logger: silentLogger });
  }

  /** Looks until `seen`; the files are real, so a look takes its time. */
  const lookUntil = (about: string, seen: () => boolean | Promise<boolean>): Promise<boolean> =>
    eventually(about, async () => {
      await clock.advance(5_000);
      return seen();
    });

  test('the keys are wrapped and the log has a new one', async () => {
    await keep(systemRandom);
    await lookUntil('it is told', () => numbers(told).length === 2);
    expect(await lockOf(dataDir)).toEqual({ version: 1 });
    expect(numbers(await onDisk(dataDir))).toEqual([1, 2]);
  });

  test('a look that fails in between is made good by the next', async () => {
    let fails = 0;
    await keep({
      ...systemRandom,
      bytes: (count) => {
        if (fails === 0) {
          fails += 1;
          throw new Error('not now');
        }
        return systemRandom.bytes(count);
      },
    });
    await lookUntil('it is told', () => numbers(told).length === 2);
    expect(fails).toBe(1);
    expect(await lockOf(dataDir)).toEqual({ version: 1 });
    expect(numbers(await onDisk(dataDir))).toEqual([1, 2]);
  });
});

test('a manager drops the key that lay open, though nothing more is written', async () => {
  const site = new TestHosts();
  try {
    const [host] = await site.start(1);
    if (host === undefined) throw new Error('one host');
    await host.init();
    expect(numbers(host.manager.identity)).toEqual([1]);
    const { spec } = host.cluster;
    await host.update({ spec: { ...spec, EncryptionConfig: { AutoLockManagers: true } } });
    await eventually('the keys are wrapped', () => host.isWrapped());
    await eventually('the first key is gone', async () => {
      const { logKeys } = await onDisk(host.dataDir);
      return logKeys.length === 1 && logKeys[0]?.number === 2;
    });
    const key = host.unlockKey();
    await host.restart();
    await host.membership.unlock(key);
    await host.caughtUp();
    expect(host.cluster.spec.EncryptionConfig.AutoLockManagers).toBe(true);
  } finally {
    await site.close();
  }
}, 60_000);
