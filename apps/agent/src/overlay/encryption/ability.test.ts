import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command, KernelCommands } from '@shoal/overlay/kernel';
import { silentLogger, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findEncryptionAbility, hostEncryption } from './ability.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'shoal-ability-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** A kernel that refuses what begins with `refused`, in these words. */
function fakeKernel(refused: string, words = 'no'): KernelCommands & { readonly said: string[] } {
  const said: string[] = [];
  const run = async ({ program, args }: Command) => {
    const text = [program, ...args].join(' ');
    said.push(text);
    if (refused === '' || !text.startsWith(refused)) return { kind: 'done', stdout: '' } as const;
    const message = `${program}: ${words}`;
    return { kind: 'failed', message, stderr: message, stdout: '' } as const;
  };
  return { said, run };
}

const find = (commands: KernelCommands) =>
  findEncryptionAbility({
    ...{ dataDir, port: 7, random: systemRandom, logger: silentLogger, commands },
  });

test('a host that can is told of with its key, the same each time', async () => {
  const found = hostEncryption(await find(fakeKernel('')));
  expect(found).toMatchObject({ Port: 7 });
  expect(Buffer.from(found?.PublicKey ?? '', 'base64')).toHaveLength(32);
  expect(hostEncryption(await find(fakeKernel('')))).toEqual(found);
});

test('where the tool is missing the host says what to install', async () => {
  const ability = await find(fakeKernel('wg', 'nsenter: failed to execute wg: No such file'));
  expect(ability).toMatchObject({ reason: expect.stringMatching('install wireguard-tools$') });
});

test.each([
  ['the kernel has no such device', 'ip link add'],
  ['its tool is missing', 'wg'],
  ['there are no namespaces', 'ip netns add'],
])('where %s the host says which it is and why, and needs no key', async (_what, refused) => {
  const kernel = fakeKernel(refused);
  const ability = await find(kernel);
  expect(hostEncryption(ability)).toBeUndefined();
  const tool = refused.split(' ')[0];
  expect(ability).toEqual({
    kind: 'unable',
    reason: `it is encrypted, and host ${hostname()} cannot encrypt overlay networks: ${tool}: no`,
  });
  expect(await readdir(dataDir)).toEqual([]);
  const made = kernel.said.filter((text) => text.startsWith('ip netns add')).length;
  const taken = kernel.said.filter((text) => text.startsWith('ip netns del')).length;
  expect(taken).toBe(refused === 'ip netns add' ? 0 : made);
});
