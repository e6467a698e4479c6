import { settle } from '@shoal/stage/testing';
import { beforeEach, expect, test } from 'vitest';
import type { Dispatcher } from '../core/dispatcher.ts';
import { FakeHost, NetworkSwarm } from '../testing/fake-network-swarm.ts';
import { keyRotationMs, keysMax } from './limits.ts';

let swarm: NetworkSwarm;

beforeEach(() => {
  swarm = new NetworkSwarm();
});

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
