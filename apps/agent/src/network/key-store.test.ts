import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GossipKey } from '@shoal/gossip';
import { silentLogger, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GossipKeyStore, gossipKeysFile } from './key-store.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-keys-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const key = (number: number): GossipKey => ({ number, key: Buffer.alloc(32, number) });

function store(secret = 'the key of n1', nodeId = 'n1'): GossipKeyStore {
  const path = gossipKeysFile(folder);
  return new GossipKeyStore({ path, nodeId, secret, random: systemRandom, logger: silentLogger });
}

async function kept(keys: readonly GossipKey[]): Promise<GossipKeyStore> {
  const made = store();
  made.keep(keys);
  await made.flush();
  return made;
}

test('keys are there after a restart, newest first, for the owner of the file alone', async () => {
  expect(await store().load()).toEqual([]);
  await kept([key(3), key(2)]);
  expect(await store().load()).toEqual([key(3), key(2)]);
  expect((await stat(gossipKeysFile(folder))).mode & 0o777).toBe(0o600);
});

test('who reads the file without the key of the node learns nothing', async () => {
  await kept([key(7)]);
  const text = await readFile(gossipKeysFile(folder), 'utf8');
  expect(text).not.toContain(Buffer.alloc(32, 7).toString('base64').slice(0, 20));
  expect(await store('another').load()).toEqual([]);
  expect(await store('the key of n1', 'n2').load()).toEqual([]);
});

test('another certificate seals them anew', async () => {
  const before = await kept([key(1)]);
  before.renew('a newer key of n1');
  await before.flush();
  expect(await store().load()).toEqual([]);
  expect(await store('a newer key of n1').load()).toEqual([key(1)]);
});

test('a node that leaves takes them away', async () => {
  await (await kept([key(1)])).forget();
  expect(await store().load()).toEqual([]);
  await expect(stat(gossipKeysFile(folder))).rejects.toThrow('ENOENT');
});
