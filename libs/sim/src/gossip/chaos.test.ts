import { expect, test } from 'vitest';
import { GossipChaos } from './chaos.ts';
import { measureGossip } from './growth.ts';
import { type GossipReport, simulateGossip } from './index.ts';
import { gossipPlan } from './plan.ts';
import { GossipSimulation } from './simulation.ts';

const seeds = 12;
const testMs = 120_000;

test(`after chaos every host shows what it should within 10 s: ${seeds} seeds`, {
  timeout: testMs,
}, async () => {
  const reports: GossipReport[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const outcome = await simulateGossip(seed);
    if (outcome.kind === 'held') reports.push(outcome.report);
    else throw new Error([`seed ${seed}`, outcome.message, ...outcome.trace].join('\n'));
  }
  const sum = (field: Exclude<keyof GossipReport, 'seed'>): number =>
    reports.reduce((total, report) => total + report[field], 0);
  // The runs are worth something only if much happened in them.
  expect(sum('shown')).toBeGreaterThan(seeds * 30);
  expect(sum('restarts')).toBeGreaterThan(seeds * 2);
  expect(sum('splits')).toBeGreaterThan(seeds);
  expect(sum('rotations')).toBeGreaterThan(seeds);
  expect(sum('failures')).toBeGreaterThan(0);
});

test('restarted hosts that found each other alone find the others', {
  timeout: testMs,
}, async () => {
  const { recoveryMs } = await new GossipChaos(gossipPlan(20_129)).run();
  expect(recoveryMs).toBeLessThan(5_000);
});

test('the same seed gives the same run', { timeout: testMs }, async () => {
  const run = () => new GossipChaos(gossipPlan(6)).run();
  expect(await run()).toEqual(await run());
});

test('a host that takes no records of others is found out', { timeout: testMs }, async () => {
  const plan = gossipPlan(6);
  const steps = plan.steps.filter(({ action }) => action.kind !== 'restart');
  const chaos = new GossipChaos({ ...plan, steps }, (id, { gossip }) => {
    if (id === 'n1') gossip.tables.receive = () => ({ learned: [], corrections: [] });
  });
  await expect(chaos.run()).rejects.toThrow('n1 shows in');
});

test('time to converge grows as the logarithm of the hosts, their traffic hardly', {
  timeout: testMs,
}, async () => {
  const [few, more, many] = [
    await measureGossip(10),
    await measureGossip(30),
    await measureGossip(90),
  ];
  for (const [small, large] of [
    [few, more],
    [more, many],
    [few, many],
  ] as const) {
    const growth = Math.log(large.hosts) / Math.log(small.hosts);
    // A round of gossip is the finest that time is measured in.
    expect(large.convergenceMs).toBeLessThan(small.convergenceMs * growth + 200);
    expect(large.quietBytesPerSecond).toBeLessThan(small.quietBytesPerSecond * 1.2);
    // Each change is passed on so many times the logarithm, in whole steps.
    expect(large.busyBytesPerSecond).toBeLessThan(small.busyBytesPerSecond * growth * 1.1);
  }
  expect(many.slowestMs).toBeLessThan(4_000);
});

test('a record that fits no packet is everywhere within seconds too', async () => {
  const simulation = new GossipSimulation(1);
  for (let at = 0; at < 20; at += 1) simulation.add(`n${at}`, at === 0 ? undefined : 'n0');
  for (const id of simulation.hosts.keys()) simulation.join(id, 'net');
  expect(await simulation.untilAgreed(60_000)).toBeDefined();
  simulation.put('n3', 'net', 'large', 'x'.repeat(4_000));
  expect(await simulation.untilRight(10_000)).toBeDefined();
});
