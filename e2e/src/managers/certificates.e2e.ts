// Certificates are renewed, outlive a long time without power, and roots rotate: nobody joins twice.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { allReady, containersByMachine, formSwarm, join, nodeRow } from './swarm.ts';
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

describe('with a clock that is wrong', () => {
  let m1: Machine;
  let w1: Machine;

  beforeAll(async () => {
    fleet = await Fleet.start(['m1', 'w1'], { adjustableClock: true });
    [m1, w1] = fleet.machines as [Machine, Machine];
  });
  afterAll(() => fleet?.stop());

  test('a swarm is made whose certificate is not valid yet; that is said, and it repairs itself', async () => {
    const error = (): Promise<string> => m1.docker('info', '--format', '{{.Swarm.Error}}');
    await clockShows(m1, twoDaysSeconds);
    await m1.docker('swarm', 'init');
    // Backdated by an hour, the certificate is of use 169 200 s from now.
    await m1.skewClock(0);
    await eventually('the reason, in seconds', async () => {
      return /valid only from \S+, 169\d{3} s from now by this host's clock/.test(await error());
    });
    await eventually('it is repaired', async () => (await error()).trim() === '', 60_000);
    await eventually('m1 is ready', async () => (await nodeRow(m1, 'm1')).status === 'Ready');
    await m1.docker('service', 'create', '--name=web', '--replicas=1', 'whoami');
  });

  test('nobody joins, and hears by how much it is wrong; once it is right, joining works', async () => {
    await clockShows(w1, -threeHoursSeconds);
    const refused = await join(w1, m1, 'worker').catch(String);
    expect(refused).toMatch(
      /the clock of this host is 10[78]\d{2} seconds behind that of the manager/,
    );
    await clockShows(w1, 0);
    expect(await join(w1, m1, 'worker')).toBe('This node joined a swarm as a worker.\n');
    await allReady(m1, 2);
  });
});
