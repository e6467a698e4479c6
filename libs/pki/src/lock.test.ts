import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@shoal/runtime';
import { isInMemory } from '@shoal/runtime/in-memory';
import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type Identity,
  identityDirectory,
  loadIdentity,
  lockOf,
  removeIdentity,
  setLock,
  unlock,
  updateIdentity,
  writeIdentity,
} from './identity.ts';
import { isUnlockKey, newUnlockKey, readKeys, writeKeys } from './keys-file.ts';
import { forgetUnlockKeys } from './runtime-directory.ts';
import { createFakeCluster } from './testing/fake-cluster.ts';

let identity: Identity;
let renewed: Identity;
let scratch: string;
let dataDir: string;

beforeAll(async () => {
  const cluster = await createFakeCluster();
  identity = await cluster.identity('manager');
  renewed = { ...(await cluster.renew(identity)) };
});
beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'shoal-lock-'));
  dataDir = join(scratch, 'data');
  vi.stubEnv('SHOAL_RUN_DIR', join(scratch, 'run'));
  await writeIdentity(dataDir, identity);
});
afterEach(async () => {
  await forgetUnlockKeys(dataDir);
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});

const keysText = (): string => readFileSync(join(identityDirectory(dataDir), 'keys.json'), 'utf8');
const secrets = (): readonly string[] => [
  identity.key.split('\n')[1] ?? '',
  identity.sealKey?.toString('base64') ?? '',
  identity.logKeys[0]?.key.toString('base64') ?? '',
];

describe('a lock', () => {
  const unlockKey = newUnlockKey(systemRandom);

  test('hides every key on disk, and leaves a running host open', async () => {
    for (const secret of secrets())
      expect(keysText()).toContain(JSON.stringify(secret).slice(1, -1));
    await setLock(dataDir, { unlockKey, version: 5 });
    for (const secret of secrets()) expect(keysText()).not.toContain(secret);
    expect(keysText()).not.toContain(unlockKey.slice(9));
    expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity });
    expect(await lockOf(dataDir)).toEqual({ version: 5 });
  });

  test('keeps a host that was started anew closed until it gets the key', async () => {
    await setLock(dataDir, { unlockKey, version: 1 });
    await forgetUnlockKeys(dataDir);
    const { nodeId, clusterId } = identity;
    expect(await loadIdentity(dataDir)).toEqual({ kind: 'locked', nodeId, clusterId });
    await expect(writeIdentity(dataDir, identity)).rejects.toThrow('locked');
    await expect(setLock(dataDir, null)).rejects.toThrow('locked');
    expect(await unlock(dataDir, newUnlockKey(systemRandom))).toBe('wrong-key');
    expect(await unlock(dataDir, 'SWMKEY-1-nonsense')).toBe('wrong-key');
    expect(await loadIdentity(dataDir)).toMatchObject({ kind: 'locked' });
    expect(await unlock(dataDir, unlockKey)).toBe('unlocked');
    expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity });
    expect(await unlock(dataDir, unlockKey)).toBe('not-locked');
  });

  test('stays on through a renewal, takes another key, and goes', async () => {
    await setLock(dataDir, { unlockKey, version: 1 });
    await updateIdentity(dataDir, identity, () => renewed);
    expect(await lockOf(dataDir)).toEqual({ version: 1 });
    const other = newUnlockKey(systemRandom);
    await setLock(dataDir, { unlockKey: other, version: 2 });
    await forgetUnlockKeys(dataDir);
    expect(await unlock(dataDir, unlockKey)).toBe('wrong-key');
    expect(await unlock(dataDir, other)).toBe('unlocked');
    await setLock(dataDir, null);
    await forgetUnlockKeys(dataDir);
    expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity: renewed });
  });

  test('comes with another key of the log, or neither does', async () => {
    const added = { number: 2, key: Buffer.alloc(32, 2) };
    const lockIt = (): Promise<void> =>
      setLock(dataDir, { unlockKey, version: 1 }, (before) => [...before, added]);
    const inTheWay = join(identityDirectory(dataDir), `.keys.json.${process.pid}`);
    mkdirSync(inTheWay);
    await expect(lockIt()).rejects.toThrow();
    rmSync(inTheWay, { recursive: true });
    expect(await lockOf(dataDir)).toBeNull();
    expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity });
    await lockIt();
    expect(await lockOf(dataDir)).toEqual({ version: 1 });
    expect(await loadIdentity(dataDir)).toEqual({
      kind: 'complete',
      identity: { ...identity, logKeys: [...identity.logKeys, added] },
    });
  });

  test('leaves its key on no disk', async ({ skip }) => {
    skip(isInMemory(scratch), 'this machine keeps temporary files in memory');
    await setLock(dataDir, { unlockKey, version: 1 });
    const files = readdirSync(scratch, { recursive: true, withFileTypes: true });
    const texts = files
      .filter((file) => file.isFile())
      .map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'));
    expect(texts.length).toBeGreaterThan(0);
    for (const text of texts) expect(text).not.toContain(unlockKey);
    expect(await loadIdentity(dataDir)).toMatchObject({ kind: 'complete' });
  });

  test('takes away what a writer left open that crashed', async () => {
    const left = join(identityDirectory(dataDir), '.keys.json.1');
    writeFileSync(left, '{"key":"open"}');
    await setLock(dataDir, { unlockKey, version: 1 });
    expect(existsSync(left)).toBe(false);
  });

  test('goes with the identity', async () => {
    await setLock(dataDir, { unlockKey, version: 1 });
    await removeIdentity(dataDir);
    await writeIdentity(dataDir, identity);
    expect(await lockOf(dataDir)).toBeNull();
  });
});

test('a crash in the middle of a renewal leaves a certificate with its key', async () => {
  const { key, sealKey, logKeys } = renewed;
  const directory = identityDirectory(dataDir);
  await writeKeys(directory, { key, previousKey: identity.key, sealKey, logKeys }, null);
  expect(await loadIdentity(dataDir)).toEqual({ kind: 'complete', identity });
});

test('updates do not overwrite each other', async () => {
  const bump = (before: Identity): Identity => ({ ...before, voterId: before.voterId + 1 });
  await Promise.all(Array.from({ length: 10 }, () => updateIdentity(dataDir, identity, bump)));
  expect(await loadIdentity(dataDir)).toMatchObject({
    identity: { voterId: identity.voterId + 10 },
  });
});

test('unlock keys have the form that people know', () => {
  const key = newUnlockKey(systemRandom);
  expect(key).toMatch(/^SWMKEY-1-[A-Za-z0-9+/]{43}$/);
  expect(isUnlockKey(key)).toBe(true);
  expect(isUnlockKey('SWMKEY-1-short')).toBe(false);
});

test('whatever keys were written are read again, by the right unlock key only', async () => {
  const directory = identityDirectory(dataDir);
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((each) => Buffer.from(each));
  const keys = fc.record({
    key: fc.string({ minLength: 1 }),
    sealKey: fc.option(bytes, { nil: undefined }),
    logKeys: fc.array(fc.record({ number: fc.integer({ min: 1, max: 1_000 }), key: bytes }), {
      maxLength: 4,
    }),
  });
  await fc.assert(
    fc.asyncProperty(keys, fc.boolean(), async (given, isLocked) => {
      const unlockKey = newUnlockKey(systemRandom);
      await writeKeys(directory, given, isLocked ? { version: 3, unlockKey } : null);
      const read = await readKeys(directory, [unlockKey]);
      expect(read).toMatchObject({ kind: 'open', lock: isLocked ? { version: 3 } : null });
      if (read.kind === 'open')
        expect({ ...read.keys, previousKey: undefined }).toEqual({
          ...given,
          previousKey: undefined,
        });
      if (isLocked) expect((await readKeys(directory, [])).kind).toBe('locked');
    }),
    { numRuns: 30 },
  );
});
