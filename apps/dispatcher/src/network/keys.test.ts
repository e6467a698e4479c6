import type { Clock, Instant } from '@shoal/runtime';
import { settle } from '@shoal/stage/testing';
import { beforeEach, expect, test } from 'vitest';
import type { Dispatcher } from '../core/dispatcher.ts';
import { FakeHost, NetworkSwarm } from '../testing/fake-network-swarm.ts';
import { keyRotationMs, keysMax } from './limits.ts';

let swarm: NetworkSwarm;

beforeEach(() => {
  swarm = new NetworkSwarm();
});

/** A manager's clock whose time of day is wrong by so much. */
class FakeWrongClock implements Clock {
  aheadMs = 0;
  readonly monotonic = () => swarm.clock.monotonic();
  readonly after: Clock['after'] = (delayMs, fire) => swarm.clock.after(delayMs, fire);
  now(): Instant {
    return (swarm.clock.now() + this.aheadMs) as Instant;
  }
}

test('the gossip key is made once, whoever comes first, and every host has it', async () => {
  const dispatchers = [swarm.start('0'), swarm.start('1')];
  const [host] = [new FakeHost('n1')];
  await host.register(dispatchers[0] as Dispatcher);
  expect(host.gossipKeys).toEqual([]);
  swarm.addCluster();
  await settle();
  await swarm.advance(1_000);
  expect(swarm.ring()).toEqual([1]);
  const [key] = host.gossipKeys ?? [];
  expect(host.gossipKeys).toHaveLength(1);
  expect(key).toHaveLength(36);
  expect(key?.readUInt32BE()).toBe(1);
});

test('keys rotate: the newest comes first, beside those that hosts still seal with', async () => {
  swarm.addCluster();
  const dispatchers = [swarm.start('0'), swarm.start('1')];
  const host = new FakeHost('n1');
  await host.register(dispatchers[1] as Dispatcher);
  await settle();
  const numbers = () => host.gossipKeys?.map((key) => key.readUInt32BE());
  expect(numbers()).toEqual([1]);
  const wanted = [
    [2, 1],
    [3, 2, 1],
    [4, 3, 2],
  ];
  for (const [at, sealing] of wanted.entries()) {
    await swarm.clock.advance(keyRotationMs);
    // Virtual time leaps over its heartbeats.
    await host.register(dispatchers[1] as Dispatcher);
    await swarm.advance(1_000);
    expect(swarm.ring()?.[0]).toBe(at + 2);
    expect(swarm.ring()?.length).toBeLessThanOrEqual(keysMax);
    expect(numbers()).toEqual(sealing);
  }
});

test('a clock that was far ahead for a moment does not put off the keys after it', async () => {
  swarm.addCluster();
  const clock = new FakeWrongClock();
  swarm.start('0', clock);
  swarm.start('1');
  clock.aheadMs = 1_000 * keyRotationMs;
  await swarm.clock.advance(keyRotationMs);
  expect(swarm.ring()).toEqual([2, 1]);
  clock.aheadMs = 0;
  for (const newest of [3, 4]) {
    await swarm.clock.advance(keyRotationMs + 1_000);
    expect(swarm.ring()?.[0]).toBe(newest);
  }
});

test.each([
  ['seconds', 5_000],
  ['hours', keyRotationMs / 2],
  ['days', 10 * keyRotationMs],
])('dispatchers whose clocks differ by %s do not rotate in turns', async (_what, aheadMs) => {
  swarm.addCluster();
  const clock = new FakeWrongClock();
  clock.aheadMs = aheadMs;
  swarm.start('0', clock);
  swarm.start('1');
  await swarm.clock.advance(1_000);
  for (let round = 0; round < 4; round += 1) await swarm.clock.advance(keyRotationMs);
  const [newest = 0] = swarm.ring() ?? [];
  expect(newest).toBeGreaterThanOrEqual(5);
  // The one far ahead takes each key of the other for an old one, once.
  expect(newest).toBeLessThanOrEqual(1 + 4 * 2);
});
