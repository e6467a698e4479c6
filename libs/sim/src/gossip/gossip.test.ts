import { describe, expect, test } from 'vitest';
import { GossipSimulation } from './simulation.ts';

const second = 1_000;
const minute = 60 * second;
/** Much longer than it takes: the machine may be busy. */
const testMs = 120_000;

/** So many hosts that know each other. */
async function cluster(hosts: number, seed = hosts): Promise<GossipSimulation> {
  const simulation = new GossipSimulation(seed);
  for (let at = 0; at < hosts; at += 1)
    simulation.add(`n${at}`, at === 0 ? undefined : `n${at >> 1}`);
  expect(await simulation.untilAgreed(minute)).toBeDefined();
  return simulation;
}

function halves({ hosts }: GossipSimulation): readonly (readonly string[])[] {
  const ids = [...hosts.keys()];
  return [ids.slice(0, ids.length / 2), ids.slice(ids.length / 2)];
}

describe.each([3, 10, 40])('%i hosts', { timeout: testMs }, (count) => {
  test('a newcomer that knows one of them is known to all within seconds', async () => {
    const simulation = await cluster(count);
    simulation.add('new', 'n1');
    expect(await simulation.untilAgreed(5 * second)).toBeDefined();
  });

  test('a death is noticed by all within half a minute', async () => {
    const simulation = await cluster(count);
    simulation.kill('n1');
    expect(await simulation.untilAgreed(30 * second)).toBeDefined();
  });

  test('who leaves is gone at once', async () => {
    const simulation = await cluster(count);
    simulation.leave('n1');
    expect(await simulation.untilAgreed(3 * second)).toBeDefined();
  });

  test('who comes back after it was given up is believed', async () => {
    const simulation = await cluster(count);
    simulation.kill('n1');
    await simulation.untilAgreed(minute);
    simulation.restart('n1', ['n0']);
    expect(await simulation.untilAgreed(5 * second)).toBeDefined();
  });

  test('halves that lost each other find together again', async () => {
    const simulation = await cluster(count);
    simulation.split(halves(simulation));
    await simulation.clock.run(2 * minute);
    expect(simulation.agreeing()).toBe(0);
    simulation.heal();
    expect(await simulation.untilAgreed(minute)).toBeDefined();
  });

  test('one lost packet in five, late and doubled ones kill nobody', async () => {
    const simulation = await cluster(count);
    simulation.faults = { delayMsMax: 100, loss: 0.2, duplication: 0.1 };
    await simulation.clock.run(3 * minute);
    expect(simulation.deaths).toBe(0);
  });
});

test('a host that is slow itself accuses nobody to death', { timeout: testMs }, async () => {
  const simulation = await cluster(20);
  simulation.slow('n3', 700);
  await simulation.clock.run(5 * minute);
  expect(simulation.deathsBeside('n3')).toBe(0);
});

test('what a quiet host sends does not grow with the cluster', { timeout: testMs }, async () => {
  const rates: number[] = [];
  for (const count of [10, 100]) {
    const simulation = await cluster(count);
    await simulation.clock.run(2 * minute);
    const before = simulation.bytesSent;
    await simulation.clock.run(minute);
    rates.push((simulation.bytesSent - before) / count);
  }
  const [few = 0, many = 0] = rates;
  expect(many).toBeLessThan(few * 1.5);
});

test('the same seed gives the same run', { timeout: testMs }, async () => {
  const run = async (): Promise<readonly unknown[]> => {
    const simulation = await cluster(12, 7);
    simulation.faults = { delayMsMax: 300, loss: 0.3, duplication: 0.2 };
    simulation.kill('n2');
    return [await simulation.untilAgreed(2 * minute), simulation.bytesSent];
  };
  expect(await run()).toEqual(await run());
});

test('a host that has the address of another one is not taken for it', {
  timeout: testMs,
}, async () => {
  const simulation = await cluster(10);
  simulation.kill('n3');
  simulation.add('heir', 'n1', simulation.host('n3').addr);
  expect(await simulation.untilAgreed(minute)).toBeDefined();
});

test('a host that another one knows, and that does not know it, learns of it', async () => {
  const simulation = await cluster(3);
  simulation.kill('n2');
  await simulation.clock.run(second);
  // It knows nobody to ask; the others do not know yet that it was away.
  simulation.restart('n2', []);
  expect(await simulation.untilAgreed(5 * second)).toBeDefined();
});

/** Managers n0 to n3, which all know of; the even ones are on one side of the split, the odd on the other. */
async function splitRacks(): Promise<GossipSimulation> {
  const simulation = new GossipSimulation(6);
  const ids = Array.from({ length: 6 }, (_, at) => `n${at}`);
  const sides = [0, 1].map((side) => ids.filter((_, at) => at % 2 === side));
  simulation.split(sides);
  for (const id of ids) simulation.add(id);
  const managers = ids.slice(0, 4).map((id) => simulation.host(id).addr);
  for (const { gossip } of simulation.hosts.values()) void gossip.seeds(managers);
  const sees3 = (): boolean =>
    [...simulation.hosts.values()].every(({ gossip }) => gossip.membership.present.length === 3);
  expect(await simulation.until(minute, sees3)).toBeDefined();
  return simulation;
}

test('sides that have never heard of each other find together, though each has managers', async () => {
  const simulation = await splitRacks();
  await simulation.clock.run(5 * minute);
  simulation.heal();
  expect(await simulation.untilAgreed(minute)).toBeDefined();
});

test('managers that are not there cost a quiet host next to nothing', async () => {
  const simulation = await splitRacks();
  const rate = async (): Promise<number> => {
    const before = simulation.bytesSent;
    await simulation.clock.run(5 * minute);
    return simulation.bytesSent - before;
  };
  await simulation.clock.run(2 * minute);
  const split = await rate();
  for (const { gossip } of simulation.hosts.values()) void gossip.seeds([]);
  expect(split).toBeLessThan((await rate()) * 1.2);
});
