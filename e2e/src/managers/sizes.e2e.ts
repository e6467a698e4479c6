// N managers survive the loss of (N - 1) / 2 at once: seven, and then five of them.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually } from '../host/wait.ts';
import { Fleet } from '../hosts/fleet.ts';
import type { Machine } from '../hosts/machine.ts';
import { allReady, formSwarm, leaderOf, nodeRows } from './swarm.ts';
import { readServices, timeToWrite, WriteLoad, writeService } from './writes.ts';

/** Until the managers that are left have agreed on a leader and answer a write. */
const goOnMsMax = 10_000;
const clients = 2;
const names = ['m1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7'];

let fleet: Fleet;

beforeAll(async () => {
  fleet = await Fleet.start(names);
  await formSwarm(fleet);
});
afterAll(() => fleet?.stop());
beforeEach(() => fleet.explainFailure());

/** Cuts the power of the leader and of others of `managers`, `count` in all, under load. */
async function losePower(managers: readonly Machine[], count: number): Promise<readonly Machine[]> {
  const [first] = managers as [Machine];
  const leader = await leaderOf(fleet, first);
  const others = managers.filter((machine) => machine !== leader);
  const lost = [leader, ...others.slice(0, count - 1)];
  const left = others.slice(count - 1);
  const load = new WriteLoad(left, clients);
  await eventually('some writes', () => load.acknowledged.size > 20);
  await Promise.all(lost.map((machine) => machine.kill()));
  for (const machine of left)
    await timeToWrite(machine, `${machine.name}-of-${managers.length}`, goOnMsMax);
  await load.stop();
  for (const machine of left) {
    await eventually(`${machine.name} has all that was acknowledged`, async () => {
      const read = await readServices(machine);
      return !read.stale && [...load.acknowledged].every((name) => read.names.has(name));
    });
  }
  return left;
}

async function expectNoQuorum(
  managers: readonly Machine[],
  left: readonly Machine[],
): Promise<void> {
  const [last, ...others] = left as [Machine, ...Machine[]];
  await Promise.all(others.slice(0, 1).map((machine) => machine.kill()));
  const standing = `${left.length - 1} of ${managers.length} managers`;
  await eventually(`a write is refused, for ${standing} are there`, async () => {
    const { status, body } = await writeService(last, 'too-few');
    expect(status).toBeGreaterThanOrEqual(500);
    return body.includes(standing);
  });
}

test('seven managers go on without three, and not without four', async () => {
  const left = await losePower(fleet.machines, 3);
  await expectNoQuorum(fleet.machines, left);
});

test('with their power back they are seven again, and five when two are demoted', async () => {
  await Promise.all(fleet.machines.filter(({ isUp }) => !isUp).map((machine) => machine.start()));
  const m1 = fleet.machine('m1');
  await allReady(m1, 7);
  for (const name of ['m6', 'm7']) await m1.docker('node', 'demote', name);
  await eventually('five managers', async () => {
    const managers = (await nodeRows(m1)).filter(({ manager }) => manager !== '');
    return managers.length === 5 && managers.every(({ manager }) => manager !== 'Unreachable');
  });
});

test('five managers go on without two, and not without three', async () => {
  const managers = fleet.machines.filter(({ name }) => name < 'm6');
  const left = await losePower(managers, 2);
  await expectNoQuorum(managers, left);
});
