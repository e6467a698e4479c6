// Three managers and two workers: what is lost when machines, processes and cables fail. Nothing.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { allReady, containersByMachine, formSwarm, leaderOf, nodeRow } from './swarm.ts';
import { readServices, timeToWrite, WriteLoad, writeService } from './writes.ts';

/** From the death of the leader to an acknowledged write elsewhere. */
const failoverMsMax = 2_000;
/** Three heartbeats of 5 s, each up to a tenth longer, and the time until everybody knows. */
const downMsMax = 3 * 5_500 + 3_000;
/** Until a manager that was away has what it missed. */
const catchUpMsMax = 30_000;
const clients = 4;

let fleet: Fleet;
let managers: readonly Machine[];
let w1: Machine;
let w2: Machine;

beforeAll(async () => {
  fleet = await Fleet.start(['m1', 'm2', 'm3', 'w1', 'w2']);
  managers = fleet.machines.slice(0, 3);
  [w1, w2] = fleet.machines.slice(3) as [Machine, Machine];
  await formSwarm(fleet);
  const [m1] = managers as [Machine];
  await m1.docker('service', 'create', '--name=web', '--replicas=5', 'whoami');
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());
afterEach(() => fleet.heal());

/** The leader, and the managers beside it. */
async function roles(): Promise<{ leader: Machine; followers: readonly [Machine, Machine] }> {
  const leader = await leaderOf(fleet, managers[0] as Machine);
  const followers = managers.filter((machine) => machine !== leader);
  return { leader, followers: followers as unknown as readonly [Machine, Machine] };
}

async function expectAll(machine: Machine, names: Iterable<string>): Promise<void> {
  const { names: found } = await readServices(machine);
  expect([...names].filter((name) => !found.has(name))).toEqual([]);
}

test('kill -9 of the api that leads: another manager goes on, no container notices', async () => {
  const { leader, followers } = await roles();
  const before = await containersByMachine(fleet.machines, 'web');
  await leader.killProcess('api');
  await timeToWrite(followers[0], 'after-api', failoverMsMax);
  await eventually('the killed one is back and has it', async () => {
    return (await readServices(leader)).names.has('after-api');
  });
  await allReady(leader, 5);
  expect(await containersByMachine(fleet.machines, 'web')).toEqual(before);
});

test('power cut of the machine that leads: nothing acknowledged is lost, and it comes back', async () => {
  const { leader, followers } = await roles();
  const survivors = fleet.machines.filter((machine) => machine !== leader);
  const before = await containersByMachine(survivors, 'web');
  const load = new WriteLoad(managers, clients);
  await eventually('some writes', () => load.acknowledged.size > 50);
  const killed = leader.kill();
  await timeToWrite(followers[0], 'after-power-cut', failoverMsMax);
  await load.stop();
  await killed;
  await expectAll(followers[1], [...load.acknowledged, 'after-power-cut']);
  const after = await containersByMachine(survivors, 'web');
  for (const [machine, ids] of before) {
    expect(after.get(machine)).toEqual(expect.arrayContaining([...ids]));
  }

  await leader.start();
  await eventually(
    'it has what it missed',
    async () => (await readServices(leader)).names.has('after-power-cut'),
    catchUpMsMax,
  );
  await expectAll(leader, load.acknowledged);
  await allReady(leader, 5);
});

test('a leader cut off from the others refuses writes and steps down; healed, it follows', async () => {
  const { leader, followers } = await roles();
  await leader.cut(fleet.machines.filter((machine) => machine !== leader));
  await timeToWrite(followers[0], 'majority', failoverMsMax);
  // At first it looks for another leader; then it knows who is missing.
  await eventually('it says who is missing', async () => {
    const { status, body } = await writeService(leader, 'minority');
    expect(status).toBeGreaterThanOrEqual(500);
    expect(body).toContain('does not have a leader');
    return body.includes('1 of 3 managers');
  });
  expect(await readServices(leader)).toMatchObject({ stale: true });

  await leader.heal();
  await eventually(
    'it has what the majority wrote',
    async () => {
      const { names, stale } = await readServices(leader);
      return !stale && names.has('majority');
    },
    catchUpMsMax,
  );
  expect((await readServices(leader)).names.has('minority')).toBe(false);
  await allReady(leader, 5);
});

test('a leader that hears the others but is not heard is replaced', async () => {
  const { leader, followers } = await roles();
  await leader.cut([...followers], { direction: 'out' });
  await timeToWrite(followers[1], 'not-heard', 2 * failoverMsMax);
  await leader.heal();
  await eventually(
    'it follows',
    async () => (await readServices(leader)).names.has('not-heard'),
    catchUpMsMax,
  );
});

test('all managers are restarted one after the other while clients write', async () => {
  const load = new WriteLoad(managers, clients);
  for (const machine of managers) {
    await machine.shoal('down');
    await machine.shoal('up');
    await eventually(`${machine.name} answers`, async () => !(await readServices(machine)).stale);
  }
  await load.stop();
  expect(load.acknowledged.size).toBeGreaterThan(100);
  for (const machine of managers) await expectAll(machine, load.acknowledged);
  // Whatever was refused may be tried again: no answer blames the client.
  expect(load.refused.filter(({ status }) => status < 500)).toEqual([]);
  await allReady(managers[0] as Machine, 5);
});

test('a worker cut off keeps its containers, and reports when it is back', async () => {
  const [m1] = managers as [Machine];
  const before = await w1.containers('web');
  expect(before.size).toBeGreaterThan(0);
  await w1.cut('all');
  await eventually(
    'w1 is down',
    async () => (await nodeRow(m1, 'w1')).status === 'Down',
    downMsMax,
  );
  expect(await w1.containers('web')).toEqual(before);
  await w1.heal();
  await eventually('w1 is ready', async () => (await nodeRow(m1, 'w1')).status === 'Ready');
  // What was started elsewhere in its place stays; the machine lets go of what it kept.
  await eventually('five containers in all', async () => {
    const all = await containersByMachine(fleet.machines, 'web');
    return [...all.values()].flat().length === 5;
  });
});

test('a worker without power is down after three heartbeats and its tasks run elsewhere', async () => {
  const [m1] = managers as [Machine];
  await m1.docker('service', 'scale', '--detach', 'web=8');
  await eventually('w2 has its part', async () => (await w2.containers('web')).size > 0);
  await w2.kill();
  await eventually(
    'w2 is down',
    async () => (await nodeRow(m1, 'w2')).status === 'Down',
    downMsMax,
  );
  const others = fleet.machines.filter((machine) => machine !== w2);
  await eventually('eight containers elsewhere', async () => {
    const all = await containersByMachine(others, 'web');
    return [...all.values()].flat().length === 8;
  });
  await w2.start();
  await allReady(m1, 5);
});
