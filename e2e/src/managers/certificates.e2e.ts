// Certificates are renewed, outlive a long time without power, and roots rotate: nobody joins twice.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { allReady, containersByMachine, formSwarm, nodeRow } from './swarm.ts';
import { timeToWrite } from './writes.ts';

/** Longer than a certificate of an hour lives. */
const threeHoursSeconds = 3 * 3_600;
const twoDaysSeconds = 2 * 86_400;

let fleet: Fleet;
beforeEach(() => fleet.explainFailure());

const trustRoot = (machine: Machine): Promise<string> => machine.docker('swarm', 'ca');

/** Seconds by which the machine's processes see another time than we do. */
async function clockOffset(machine: Machine): Promise<number> {
  const { headers } = await machine.http({ method: 'GET', path: '/_ping' });
  return (Date.parse(String(headers['date'])) - Date.now()) / 1_000;
}

async function clockShows(machine: Machine, offset: number): Promise<void> {
  await machine.skewClock(offset);
  await eventually('the clock has changed', async () => {
    return Math.abs((await clockOffset(machine)) - offset) < 60;
  });
}

describe('in a swarm whose certificates live for an hour', () => {
  let m1: Machine;
  let m2: Machine;
  let w1: Machine;

  beforeAll(async () => {
    fleet = await Fleet.start(['m1', 'm2', 'm3', 'w1'], { adjustableClock: true });
    [m1, m2, , w1] = fleet.machines as [Machine, Machine, Machine, Machine];
    await formSwarm(fleet, '--cert-expiry=1h');
    await m1.docker('service', 'create', '--name=web', '--replicas=4', 'whoami');
  });
  afterAll(() => fleet?.stop());

  test('a new root is trusted by all before the old one goes, and no container notices', async () => {
    const before = await trustRoot(m1);
    const containers = await containersByMachine(fleet.machines, 'web');
    await m2.docker('swarm', 'ca', '--rotate', '--quiet');
    const after = await trustRoot(m1);
    expect(after).toContain('BEGIN CERTIFICATE');
    expect(after).not.toBe(before);
    await allReady(m1, 4);
    expect(await containersByMachine(fleet.machines, 'web')).toEqual(containers);
    await timeToWrite(m1, 'after-rotation', 5_000);
  });

  test('a worker without power for longer than its certificate lives comes back by itself', async () => {
    await w1.kill();
    for (const manager of fleet.machines.filter((machine) => machine !== w1)) {
      await clockShows(manager, threeHoursSeconds);
    }
    await w1.start();
    await clockShows(w1, threeHoursSeconds);
    await eventually(
      'w1 is ready',
      async () => (await nodeRow(m1, 'w1')).status === 'Ready',
      60_000,
    );
    await timeToWrite(m2, 'three-hours-later', 10_000);
  });

  test('so does the whole swarm', async () => {
    await Promise.all(fleet.machines.map((machine) => machine.kill()));
    await Promise.all(
      fleet.machines.map(async (machine) => {
        await machine.start();
        await clockShows(machine, 3 * threeHoursSeconds);
      }),
    );
    await timeToWrite(m1, 'nine-hours-later', 60_000);
    await allReady(m1, 4);
  });
});

describe('with a clock that was wrong when the swarm was made', () => {
  let m1: Machine;

  beforeAll(async () => {
    fleet = await Fleet.start(['m1', 'w1'], { adjustableClock: true });
    m1 = fleet.machine('m1');
  });
  afterAll(() => fleet?.stop());

  test('the reason is said in plain words, and the right clock is the whole repair', async () => {
    await clockShows(m1, twoDaysSeconds);
    await m1.docker('swarm', 'init');
    await clockShows(m1, 0);
    await m1.kill();
    await m1.start();
    await eventually('it is a manager that is ready', async () => {
      return (await nodeRow(m1, 'm1')).status === 'Ready';
    });
    await m1.docker('service', 'create', '--name=web', '--replicas=1', 'whoami');
    expect(m1.complaints()).toMatch(/\b17\d{4} s/);
  });
});
