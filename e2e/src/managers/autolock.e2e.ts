// Managers whose keys on disk are of no use without a key that only people have.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityDirectory } from '@shoal/pki/identity';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { formSwarm, nodeRow } from './swarm.ts';
import { readServices, timeToWrite } from './writes.ts';

let fleet: Fleet;
let m1: Machine;
let m2: Machine;
let m3: Machine;
let firstKey = '';

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'm2', 'm3']);
  [m1, m2, m3] = fleet.machines as [Machine, Machine, Machine];
  await formSwarm(fleet);
  await m1.docker('service', 'create', '--name=web', '--replicas=3', 'whoami');
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

const stateOf = async (machine: Machine): Promise<string> =>
  (await machine.docker('info', '--format', '{{.Swarm.LocalNodeState}}')).trim();
const unlock = (machine: Machine, key: string) =>
  machine.tryDocker(['swarm', 'unlock'], { stdin: `${key}\n` });
const keyIn = (text: string): string => /SWMKEY-1-\S{43}/.exec(text)?.[0] ?? '';

interface KeysFile {
  readonly lock: { readonly version: number } | null;
  /** To be read while there is no lock. */
  readonly keys: { readonly logKeys?: readonly { readonly number: number }[] };
}

async function keysFile(machine: Machine): Promise<KeysFile> {
  const text = await readFile(join(identityDirectory(machine.path('/var/lib/shoal')), 'keys.json'));
  return JSON.parse(text.toString()) as KeysFile;
}

/** By which version of the unlock key the machine's keys are wrapped; undefined when by none. */
async function lockVersion(machine: Machine): Promise<number | undefined> {
  return (await keysFile(machine)).lock?.version;
}

/** Power cut and boot; a locked manager stays out until it is unlocked. */
async function reboot(machine: Machine): Promise<void> {
  await machine.kill();
  await machine.start();
}

test('turned on, it shows the key, and a manager that boots is locked', async () => {
  const shown = await m1.docker('swarm', 'update', '--autolock=true');
  firstKey = keyIn(shown);
  expect(firstKey).not.toBe('');
  expect((await m2.docker('swarm', 'unlock-key', '--quiet')).trim()).toBe(firstKey);
  await eventually('the keys of m3 are wrapped', () => lockVersion(m3));
  await reboot(m3);
  expect(await stateOf(m3)).toBe('locked');
  const { code, stderr } = await m3.tryDocker(['node', 'ls']);
  expect(code).not.toBe(0);
  expect(stderr).toContain(
    'Swarm is encrypted and needs to be unlocked before it can be used. Please use "docker swarm unlock" to unlock it.',
  );
  expect((await m3.tryDocker(['ps'])).code).toBe(0);
});

test('a wrong key is refused, the right one lets the manager catch up', async () => {
  await timeToWrite(m1, 'while-locked', 5_000);
  const wrong = await unlock(m3, `SWMKEY-1-${'A'.repeat(43)}`);
  expect(wrong.stderr).toContain('swarm could not be unlocked: invalid key provided');
  expect((await unlock(m3, 'nonsense')).stderr).toContain('invalid key string');
  const right = await unlock(m3, firstKey);
  expect(right.code, right.stderr).toBe(0);
  await eventually('m3 has what it missed', async () => {
    return (await readServices(m3)).names.has('while-locked');
  });
  await eventually('m3 is ready', async () => (await nodeRow(m1, 'm3')).status === 'Ready');
  expect((await unlock(m3, firstKey)).stderr).toContain('swarm is not locked');
});

test('the key rotates: the old one opens nothing any more', async () => {
  const before = await lockVersion(m3);
  const rotated = keyIn(await m2.docker('swarm', 'unlock-key', '--rotate'));
  expect(rotated).not.toBe('');
  expect(rotated).not.toBe(firstKey);
  await eventually('the keys of m3 are wrapped anew', async () => {
    return (await lockVersion(m3)) !== before;
  });
  await reboot(m3);
  expect((await unlock(m3, firstKey)).stderr).toContain('invalid key provided');
  expect((await unlock(m3, rotated)).code).toBe(0);
  await eventually('m3 is back', async () => !(await readServices(m3)).stale);
});

test('turned off, a manager that boots needs nobody', async () => {
  await m1.docker('swarm', 'update', '--autolock=false');
  await eventually('the keys of m2 are plain', async () => (await lockVersion(m2)) === undefined);
  await reboot(m2);
  await eventually('m2 is back', async () => !(await readServices(m2)).stale);
});

test('the key of the log that lay open is gone, and nothing on the disk needs it', async () => {
  for (const machine of [m1, m2, m3])
    await eventually('the first key is gone, and all but the newest', async () => {
      const { logKeys = [] } = (await keysFile(machine)).keys;
      return logKeys.length === 1 && logKeys.every(({ number }) => number > 1);
    });
  await timeToWrite(m1, 'after', 5_000);
  await reboot(m1);
  await eventually('m1 is back', async () => !(await readServices(m1)).stale);
  expect((await readServices(m1)).names).toContain('after');
});
