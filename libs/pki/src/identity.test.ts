import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@shoal/runtime';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type Identity,
  type IdentityState,
  identityDirectory,
  identityFile,
  loadIdentity,
  removeIdentity,
  writeIdentity,
} from './identity.ts';
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
  expect(await mode('node.key')).toBe(0o600);
  expect(await mode('seal.key')).toBe(0o600);
  expect((await readdir(identityDirectory(dataDir))).sort()).toEqual(
    ['ca.crt', 'node.crt', 'node.json', 'node.key', 'seal.key'].sort(),
  );
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
  test.each(['ca.crt', 'node.crt', 'node.key', 'seal.key'])('%s is missing', async (name) => {
    await rm(path(name));
    expect(await reason()).toContain(name);
  });
  test.each(['ca.crt', 'node.crt', 'node.key', 'seal.key'])('%s is empty', async (name) => {
    await writeFile(path(name), '');
    expect(await reason()).toContain('empty');
  });
  test('the key is that of another node', async () => {
    const other = await cluster.identity('manager');
    await writeFile(path('node.key'), other.key);
    expect(await reason()).toContain('private key');
  });
  test('the certificate is that of another node', async () => {
    const other = await cluster.identity('manager');
    await writeIdentity(dataDir, { ...other, nodeId: identity.nodeId });
    expect(await reason()).toContain('another node');
  });
  test('the certificate proves another role', async () => {
    await writeIdentity(dataDir, { ...identity, role: 'worker' });
    expect(await reason()).toContain('that of a manager');
  });
  test('the trust root is a foreign one', async () => {
    const foreign = await createFakeCluster(cluster.id);
    await writeFile(path('ca.crt'), foreign.ca.certificate);
    expect(await reason()).toContain('not issued');
  });
  test('the seal key is short', async () => {
    await writeFile(path('seal.key'), 'AAAA');
    expect(await reason()).toContain('32 bytes');
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
