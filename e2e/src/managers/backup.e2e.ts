// A swarm is copied while it is at work; all that is left of it afterwards is the copy.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { formSwarm, nodeRow } from './swarm.ts';
import { readServices, timeToWrite, writeService } from './writes.ts';

const backups = 5;
const archive = '/root/swarm.tar.gz';

let fleet: Fleet;
let m1: Machine;
let m2: Machine;
let m3: Machine;
let unlockKey = '';
let acknowledged: readonly string[] = [];
let copy: Buffer;

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'm2', 'm3']);
  [m1, m2, m3] = fleet.machines as [Machine, Machine, Machine];
  // Snapshots and the removal of what they cover come all the time.
  await formSwarm(fleet, '--snapshot-interval=50');
  await m1.tryDocker(['secret', 'create', 'password', '-'], { stdin: 'correct horse' });
  const flags = ['--name=web', '--replicas=2', '--secret=password'];
  await m1.docker('service', 'create', ...flags, 'whoami');
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

test('while services are made, each copy holds all that was acknowledged before it', async () => {
  const done = new AbortController();
  const names: string[] = [];
  const writing = (async () => {
    for (let at = 0; !done.signal.aborted; at += 1)
      if ((await writeService(m1, `s${at}`)).status === 201) names.push(`s${at}`);
  })();
  try {
    for (let at = 1; at <= backups; at += 1) {
      const before = names.length;
      // A follower, which learns what the leader has acknowledged a moment later.
      const { code, stderr } = await m3.tryExec(['shoal', 'backup', `${archive}.${at}`]);
      expect(stderr).toMatch(/the copy was read whole/);
      expect(code).toBe(0);
      const services = Number(/, (\d+) services?,/.exec(stderr)?.[1]);
      expect(services).toBeGreaterThanOrEqual(before + 1);
      await eventually('more is written', () => names.length > before + 20);
    }
  } finally {
    done.abort();
    await writing;
  }
});

test('where it is locked, the copy is too', async () => {
  const shown = await m1.docker('swarm', 'update', '--autolock=true');
  unlockKey = /SWMKEY-1-\S{43}/.exec(shown)?.[0] ?? '';
  await timeToWrite(m1, 'the-last', 5_000);
  acknowledged = [...(await readServices(m1)).names].sort();
  await eventually('a copy is locked', async () => {
    await m2.exec('rm', '-f', archive);
    const { stderr } = await m2.tryExec(['shoal', 'backup', archive]);
    return stderr.includes('it opens with the unlock key');
  });
  copy = readFileSync(m2.path(archive));
  expect(copy.includes('correct horse')).toBe(false);
});

test('when all managers are lost, a new host goes on with it', async () => {
  await m2.shoal('down');
  await Promise.all([m1.kill(), m3.kill()]);
  rmSync(m2.path('/var/lib/shoal/swarm'), { recursive: true });
  rmSync(m2.path('/var/lib/shoal/agent'), { recursive: true });
  writeFileSync(m2.path(archive), copy);
  const refused = await m2.tryExec(['shoal', 'restore', archive]);
  expect(refused.stderr).toMatch(/audit\/\w+ tells of what happened after the backup/);
  renameSync(m2.path('/var/lib/shoal/audit'), m2.path('/var/lib/shoal/audit-of-before'));
  const { code, stderr } = await m2.tryExec(['shoal', 'restore', archive]);
  expect(stderr).toMatch(/restored to \/var\/lib\/shoal/);
  expect(code).toBe(0);
  await m2.shoal('up');
  await eventually('it waits for its key', async () => {
    const state = await m2.docker('info', '--format', '{{.Swarm.LocalNodeState}}');
    return state.trim() === 'locked';
  });
  expect(await m2.tryDocker(['swarm', 'unlock'], { stdin: `${unlockKey}\n` })).toMatchObject({
    code: 0,
  });
  const anew = ['swarm', 'init', '--force-new-cluster', '--advertise-addr', m2.address];
  await eventually('it is unlocked', async () => (await m2.tryDocker(anew)).code === 0);
  await timeToWrite(m2, 'afterwards', 15_000);
  const { names, stale } = await readServices(m2);
  expect(stale).toBe(false);
  expect([...names].sort()).toEqual([...acknowledged, 'afterwards'].sort());
  expect(await nodeRow(m2, 'm2')).toMatchObject({ manager: 'Leader' });
});

test('and its tasks run, with the secrets they had', async () => {
  const id = await eventually('both tasks run there', async () => {
    const found = [...(await m2.containers('web')).values()];
    return found.length === 2 && found[0];
  });
  expect(await m2.engine('exec', id, 'cat', '/run/secrets/password')).toBe('correct horse');
});
