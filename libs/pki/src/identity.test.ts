import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { withFileLock } from './file-lock.ts';
import {
  type Identity,
  type IdentityState,
  identityDirectory,
  identityFile,
  loadIdentity,
  removeIdentity,
  updateIdentity,
  writeIdentity,
} from './identity.ts';
import { IdentityFollower } from './identity-follower.ts';
import { writeKeys } from './keys-file.ts';
import { newSealKey } from './seal.ts';
import { createFakeCluster, type FakeCluster } from './testing/fake-cluster.ts';
import { pollMs, watchIdentity } from './watch.ts';

let cluster: FakeCluster;
let identity: Identity;
let dataDir: string;
beforeAll(async () => {
  cluster = await createFakeCluster();
  identity = await cluster.identity('manager');
});
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'shoal-identity-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const path = (name: string): string => join(identityDirectory(dataDir), name);

test('a host starts with none', async () => {
  expect(await loadIdentity(dataDir)).toEqual({ kind: 'none' });
  expect(await loadIdentity(join(dataDir, 'missing', 'deeper'))).toEqual({ kind: 'none' });
});

test('what was written is read again, and the keys are for root alone', async () => {
  await writeIdentity(dataDir, identity);
  expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity });
  const mode = async (name: string): Promise<number> => (await stat(path(name))).mode & 0o777;
  expect(await mode('keys.json')).toBe(0o600);
  expect((await readdir(identityDirectory(dataDir))).sort()).toEqual([
    'ca.crt',
    'keys.json',
    'node.crt',
    'node.json',
  ]);
  const text = await readFile(identityFile(dataDir), 'utf8');
  expect(text).not.toContain('PRIVATE');
});

test('everything but node.json is no identity yet', async () => {
  await writeIdentity(dataDir, identity);
  await rm(identityFile(dataDir));
  expect(await loadIdentity(dataDir)).toEqual({ kind: 'none' });
});

test('a removed identity is gone with its keys', async () => {
  await writeIdentity(dataDir, identity);
  await removeIdentity(dataDir);
  expect(await loadIdentity(dataDir)).toEqual({ kind: 'none' });
  expect(await readdir(identityDirectory(dataDir))).toEqual([]);
  await removeIdentity(dataDir);
});

describe('an identity is broken when', () => {
  const reason = async (): Promise<string> => {
    const state = await loadIdentity(dataDir);
    return state.kind === 'broken' ? state.reason : `not broken but ${state.kind}`;
  };
  beforeEach(() => writeIdentity(dataDir, identity));

  test('node.json is torn', async () => {
    await writeFile(identityFile(dataDir), '{"schema": 1,');
    expect(await reason()).toContain('node.json');
  });
  test('node.json is of a later schema', async () => {
    await writeFile(identityFile(dataDir), '{"schema": 2}');
    expect(await reason()).toContain('schema');
  });
  test.each(['ca.crt', 'node.crt', 'keys.json'])('%s is missing', async (name) => {
    await rm(path(name));
    expect(await reason()).toContain(name);
  });
  test.each(['ca.crt', 'node.crt', 'keys.json'])('%s is empty', async (name) => {
    await writeFile(path(name), '');
    expect(await reason()).toContain('empty');
  });
  test('the key is that of another node', async () => {
    const other = await cluster.identity('manager');
    await writeKeys(identityDirectory(dataDir), other, null);
    expect(await reason()).toContain('private key');
  });
  test('the certificate is that of another node', async () => {
    const other = await cluster.identity('manager');
    await writeIdentity(dataDir, { ...other, nodeId: identity.nodeId });
    expect(await reason()).toContain('another node');
  });
  test('the trust root is a foreign one', async () => {
    const foreign = await createFakeCluster(cluster.id);
    await writeFile(path('ca.crt'), foreign.ca.certificate);
    expect(await reason()).toContain('not issued');
  });
  test('the seal key is short', async () => {
    const short = { ...identity, sealKey: Buffer.from('short') };
    await writeKeys(identityDirectory(dataDir), short, null);
    expect(await reason()).toContain('32 bytes');
  });
});

describe('a change of the role', () => {
  test.each(['worker', 'manager'] as const)(
    'from %s may end at any step and leaves what was before or what comes after',
    async (role) => {
      const before = await cluster.identity(role);
      const renewed = await cluster.renew({
        ...before,
        role: role === 'worker' ? 'manager' : 'worker',
      });
      const { sealKey: _none, ...rest } = renewed;
      const after: Identity =
        role === 'worker' ? { ...renewed, sealKey: newSealKey(systemRandom) } : rest;
      for (const stop of ['keys.json', 'ca.crt', 'node.crt', 'node.json']) {
        await writeIdentity(dataDir, before);
        await stopAt(stop, () => updateIdentity(dataDir, before, () => after));
        const state = await loadIdentity(dataDir);
        const expected = stop === 'node.json' ? after : before;
        expect(state).toMatchObject({
          kind: 'complete',
          identity: { role: expected.role, key: expected.key, certificate: expected.certificate },
        });
        if (expected.role === 'manager' && state.kind === 'complete')
          expect(state.identity.sealKey).toEqual(expected.sealKey);
        await updateIdentity(dataDir, before, () => after);
        expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity: after });
        const keys = await readFile(path('keys.json'), 'utf8');
        expect(keys).not.toContain('previousKey');
        expect(keys.includes('sealKey')).toBe(after.role === 'manager');
        await removeIdentity(dataDir);
      }
    },
  );

  test('that ends twice between the keys and the certificate leaves what was before', async () => {
    const before = await cluster.identity('manager');
    await writeIdentity(dataDir, before);
    for (const _time of [1, 2]) {
      const renewed = await cluster.renew(before);
      await stopAt('node.crt', () => updateIdentity(dataDir, before, () => renewed));
      expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity: before });
    }
  });

  /** Lets the writer fail at this file: a folder has the name that the new content would have first. */
  async function stopAt(name: string, write: () => Promise<unknown>): Promise<void> {
    const inTheWay = path(`.${name}.${process.pid}`);
    await mkdir(inTheWay);
    await expect(write()).rejects.toThrow();
    await rm(inTheWay, { recursive: true });
  }
});

test('what is read while it is written is whole: some of it old and some new is no broken identity', async () => {
  await writeIdentity(dataDir, identity);
  const renewed = await cluster.renew(identity);
  let reading: Promise<IdentityState> | undefined;
  await withFileLock(path('.update'), async () => {
    // As a reader finds it that has the old certificate by the time the last of the new keys is written.
    await writeKeys(identityDirectory(dataDir), renewed, null);
    reading = loadIdentity(dataDir);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await writeFile(path('node.crt'), renewed.certificate);
  });
  expect(await reading).toEqual({ kind: 'complete', identity: renewed });
});

test('an update that is under way does not bring back what was removed', async () => {
  await writeIdentity(dataDir, identity);
  const moved = { ...identity, advertiseAddr: '10.0.0.7' };
  let removal: Promise<void> | undefined;
  await updateIdentity(dataDir, identity, () => {
    removal = removeIdentity(dataDir);
    return moved;
  });
  await removal;
  expect(await loadIdentity(dataDir)).toEqual({ kind: 'none' });
  expect(await readdir(identityDirectory(dataDir))).toEqual([]);
  await expect(updateIdentity(dataDir, identity, () => moved)).rejects.toThrow('is none');
});

test.each(['clusterId', 'nodeId'] as const)(
  'what was begun for another %s changes nothing',
  async (name) => {
    await writeIdentity(dataDir, identity);
    const other = { ...identity, [name]: 'another' };
    await expect(updateIdentity(dataDir, other, () => other)).rejects.toThrow('by now');
    expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity });
  },
);

describe('keys in their old place', () => {
  /** As the first version wrote it. */
  async function writeOld(of: Identity): Promise<void> {
    const { caCertificate, certificate, key, sealKey, logKeys: _none, voterId: _id, ...node } = of;
    await mkdir(identityDirectory(dataDir), { recursive: true });
    await writeFile(path('ca.crt'), caCertificate);
    await writeFile(path('node.crt'), certificate);
    await writeFile(path('node.key'), key);
    await writeFile(path('seal.key'), `${sealKey?.toString('base64') ?? ''}\n`);
    await writeFile(path('node.json'), JSON.stringify({ schema: 1, state: 'complete', ...node }));
  }
  // As the first version computed it: of SHA-256, the first six bytes.
  const voterId = (nodeId: string): number =>
    Number.parseInt(createHash('sha256').update(nodeId).digest('hex').slice(0, 12), 16);

  test('are moved by the first who reads them, with the number of the voter', async () => {
    await writeOld(identity);
    const expected = { ...identity, logKeys: [], voterId: voterId(identity.nodeId) };
    const states = await Promise.all([1, 2, 3].map(() => loadIdentity(dataDir)));
    for (const state of states) expect(state).toEqual({ kind: 'complete', identity: expected });
    expect((await readdir(identityDirectory(dataDir))).sort()).toEqual([
      'ca.crt',
      'keys.json',
      'node.crt',
      'node.json',
    ]);
    expect((await stat(path('keys.json'))).mode & 0o777).toBe(0o600);
    expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity: expected });
  });

  test('are moved by an update, and after a crash while they were moved', async () => {
    await writeOld(identity);
    await writeKeys(identityDirectory(dataDir), { ...identity, logKeys: [] }, null);
    const updated = await updateIdentity(dataDir, identity, (old) => ({
      ...old,
      advertiseAddr: '10.0.0.7',
    }));
    expect(updated).toMatchObject({
      advertiseAddr: '10.0.0.7',
      voterId: voterId(identity.nodeId),
      sealKey: identity.sealKey,
    });
    expect(await readdir(identityDirectory(dataDir))).not.toContain('node.key');
  });

  test('that are damaged stay where they are', async () => {
    await writeOld(identity);
    await writeFile(path('seal.key'), 'short');
    expect(await loadIdentity(dataDir)).toMatchObject({
      kind: 'broken',
      reason: expect.stringContaining('seal.key is damaged'),
    });
    expect(await readFile(path('node.key'), 'utf8')).toBe(identity.key);
  });
});

describe('who follows the identity', () => {
  /** One step of the work that is under way. */
  let go: () => void;
  const done: string[] = [];
  let follower: IdentityFollower;
  const failures: unknown[] = [];
  beforeEach(() => {
    done.length = 0;
    failures.length = 0;
    follower = new IdentityFollower({
      dataDir,
      clock: systemClock,
      become: async (state) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        go = resolve;
        done.push(state.kind === 'complete' ? state.identity.advertiseAddr : state.kind);
        await promise;
        if (done.at(-1) === 'bad') throw new Error('it cannot be');
      },
      onFatal: (error) => failures.push(error),
    });
  });
  const is = (advertiseAddr: string) => writeIdentity(dataDir, { ...identity, advertiseAddr });
  const reads = (advertiseAddr: string) =>
    vi.waitFor(() => expect(follower.wanted).toMatchObject({ identity: { advertiseAddr } }), 8_000);

  test('does one thing after the other, of those that come meanwhile the newest', async () => {
    await vi.waitFor(() => expect(done).toEqual(['none']), 8_000);
    await is('10.0.0.1');
    await reads('10.0.0.1');
    await is('10.0.0.2');
    await reads('10.0.0.2');
    expect(done).toEqual(['none']);
    go();
    await vi.waitFor(() => expect(done).toEqual(['none', '10.0.0.2']), 8_000);
    const stopped = follower.stop();
    go();
    await stopped;
    expect(failures).toEqual([]);
  });

  test('ends with what cannot be done', async () => {
    await vi.waitFor(() => expect(done).toEqual(['none']), 8_000);
    go();
    await is('bad');
    await vi.waitFor(() => expect(done).toEqual(['none', 'bad']), 8_000);
    go();
    await vi.waitFor(() => expect(failures).toEqual([new Error('it cannot be')]), 8_000);
    await follower.stop();
  });
});

describe('the watch', () => {
  const heard: IdentityState[] = [];
  let end: (() => void) | undefined;
  const kinds = (): string[] => heard.map((state) => state.kind);
  beforeEach(() => {
    heard.length = 0;
  });
  afterEach(() => end?.());

  test('tells of now, of coming, of change and of going, each once', async () => {
    end = watchIdentity(dataDir, systemClock, (state) => heard.push(state));
    await vi.waitFor(() => expect(kinds()).toEqual(['none']));
    await writeIdentity(dataDir, identity);
    await vi.waitFor(() => expect(kinds()).toEqual(['none', 'complete']), 4_000);
    const moved = { ...identity, advertiseAddr: '10.0.0.7' };
    await writeIdentity(dataDir, moved);
    await vi.waitFor(
      () => expect(heard.at(-1)).toEqual({ kind: 'complete', identity: moved }),
      4_000,
    );
    await removeIdentity(dataDir);
    await vi.waitFor(
      () => expect(kinds()).toEqual(['none', 'complete', 'complete', 'none']),
      4_000,
    );
    await rm(identityDirectory(dataDir), { recursive: true });
    await writeIdentity(dataDir, identity);
    await vi.waitFor(() => expect(kinds().at(-1)).toBe('complete'), 4_000);
    expect(kinds()).toHaveLength(5);
  });

  test('is told by the file system, well before the poll', async () => {
    // A clock whose timers for the poll never fire.
    const eager = {
      ...systemClock,
      after: (delayMs: number, fire: () => void) =>
        delayMs < pollMs ? systemClock.after(delayMs, fire) : { cancel: () => undefined },
    };
    end = watchIdentity(dataDir, eager, (state) => heard.push(state));
    await vi.waitFor(() => expect(kinds()).toEqual(['none']));
    await writeIdentity(dataDir, identity);
    await vi.waitFor(() => expect(kinds()).toEqual(['none', 'complete']), 4_000);
    await rm(identityDirectory(dataDir), { recursive: true });
    await vi.waitFor(() => expect(kinds().at(-1)).toBe('none'), 4_000);
    await writeIdentity(dataDir, identity);
    await vi.waitFor(() => expect(kinds().at(-1)).toBe('complete'), 4_000);
  });

  test('works before the data directory exists', async () => {
    const deep = join(dataDir, 'later');
    end = watchIdentity(deep, systemClock, (state) => heard.push(state));
    await vi.waitFor(() => expect(kinds()).toEqual(['none']));
    await writeIdentity(deep, identity);
    await vi.waitFor(() => expect(kinds()).toEqual(['none', 'complete']), 4_000);
  });
});
