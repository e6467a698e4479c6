// Two of three managers are gone: what still works, what says why not, and the way back.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { containersByMachine, formSwarm, join, nodeRow, nodeRows } from './swarm.ts';
import { readServices, timeToWrite, writeService } from './writes.ts';

let fleet: Fleet;
let m1: Machine;
let m2: Machine;
let m3: Machine;
let w1: Machine;
let containers: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'm2', 'm3', 'w1']);
  [m1, m2, m3, w1] = fleet.machines as [Machine, Machine, Machine, Machine];
  await formSwarm(fleet);
  await m1.docker('service', 'create', '--name=web', '--replicas=4', 'whoami');
  containers = await containersByMachine([m1, w1], 'web');
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

test('without a quorum, reads answer from memory and say that they are stale', async () => {
  await timeToWrite(m1, 'kept', 5_000);
  await Promise.all([m2.kill(), m3.kill()]);
  const { names } = await eventually('stale answers', async () => {
    const read = await readServices(m1);
    return read.stale && read;
  });
  expect([...names].sort()).toEqual(['kept', 'web']);
  expect(await m1.docker('service', 'ls', '--format', '{{.Name}}')).toContain('web');
});

test('writes say how many managers are missing, and containers run on', async () => {
  const refused = await writeService(m1, 'refused');
  expect(refused.status).toBeGreaterThanOrEqual(500);
  expect(refused.body).toContain('The swarm does not have a leader.');
  expect(refused.body).toMatch(/1 of 3 managers/);
  expect(await containersByMachine([m1, w1], 'web')).toEqual(containers);
});

test('one of the lost ones is enough to go on', async () => {
  await m2.start();
  await timeToWrite(m1, 'two-of-three', 15_000);
  await eventually('m2 has it', async () => (await readServices(m2)).names.has('two-of-three'));
  await m2.kill();
});

test('force-new-cluster goes on with all that the survivor had, on its own', async () => {
  expect(await m1.docker('swarm', 'init', '--force-new-cluster')).toMatch(/is now a manager/);
  await timeToWrite(m1, 'alone', 15_000);
  const { names, stale } = await readServices(m1);
  expect(stale).toBe(false);
  expect([...names].sort()).toEqual(['alone', 'kept', 'two-of-three', 'web']);
  expect(await nodeRow(m1, 'm1')).toMatchObject({ manager: 'Leader' });
  await eventually('the worker is with it', async () => {
    return (await nodeRow(m1, 'w1')).status === 'Ready';
  });
  for (const [name, ids] of containers) {
    const now = [...(await fleet.machine(name).containers('web')).values()];
    expect(now).toEqual(expect.arrayContaining([...ids]));
  }
});

test('the lost managers can be forgotten, and one of them joins anew', async () => {
  for (const lost of ['m2', 'm3']) {
    await eventually(`${lost} is down`, async () => (await nodeRow(m1, lost)).status === 'Down');
    await m1.docker('node', 'demote', lost);
    await m1.docker('node', 'rm', '--force', lost);
  }
  await m2.start();
  await m2.docker('swarm', 'leave', '--force');
  await join(m2, m1, 'manager');
  await eventually('m2 is reachable', async () => {
    const rows = await nodeRows(m2);
    return rows.some(({ hostname, manager }) => hostname === 'm2' && manager === 'Reachable');
  });
  await timeToWrite(m2, 'two-again', 5_000);
});
