import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../testing/ask.ts';
import { hostNetwork } from '../testing/records.ts';
import { Listeners } from './listeners.ts';
import type { Bound } from './namespace-sockets.ts';

interface Asked {
  readonly namespace: string;
  readonly addresses: readonly string[];
  readonly done: (bound: Bound) => void;
}

const asked: Asked[] = [];
let listeners: Listeners | undefined;
afterEach(() => {
  listeners?.close();
  asked.length = 0;
});

/** Binding takes until the test says what came of it. */
function listen(): Listeners {
  listeners = new Listeners({
    port: 53,
    bind: (namespace, addresses) =>
      new Promise((done) => asked.push({ namespace, addresses, done })),
    identify: () => Promise.resolve('one'),
    serve: () => undefined,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    onChange: () => undefined,
  });
  return listeners;
}

const bound: Bound = { kind: 'bound', sockets: [] };

test('four networks at once are bound, the others in their turn', async () => {
  const all = listen();
  for (let number = 1; number <= 6; number += 1) all.set(hostNetwork(number));
  await eventually('four', () => asked.length === 4 || undefined);
  asked[0]?.done(bound);
  await eventually('a fifth', () => asked.length === 5 || undefined);
  asked[1]?.done({ kind: 'failed', reason: 'no' });
  await eventually('a sixth', () => asked.length >= 6 || undefined);
  expect(all.bound).toBe(1);
  expect(all.problem('network-1')).toBeUndefined();
  expect(all.problem('network-2')).toBe('no');
  expect(all.problem('network-3')).toBe('it is not listened on yet');
});

test('every gateway is listened on, and other changes of a network are none of ours', async () => {
  const all = listen();
  const subnets = [
    { subnet: '10.0.1.0/24', gateway: '10.0.1.1', vni: 1 },
    { subnet: 'fd00::/64', gateway: 'fd00::1', vni: 1 },
  ];
  all.set(hostNetwork(1, { subnets }));
  await eventually('asked', () => asked.length === 1 || undefined);
  expect(asked[0]?.addresses).toEqual(['10.0.1.1', 'fd00::1']);
  asked[0]?.done(bound);
  await eventually('bound', () => all.bound === 1 || undefined);
  all.set(hostNetwork(1, { subnets, mtu: 9_000, upstreams: [] }));
  expect(asked).toHaveLength(1);
  expect(all.bound).toBe(1);
});

test('a network that moved is listened on at its new place, one that is gone nowhere', async () => {
  const all = listen();
  all.set(hostNetwork(1));
  await eventually('asked', () => asked.length === 1 || undefined);
  asked[0]?.done(bound);
  await eventually('bound', () => all.bound === 1 || undefined);
  all.set(hostNetwork(1, { namespace: '/run/netns/other' }));
  expect(all.bound).toBe(0);
  await eventually('asked again', () => asked.length === 2 || undefined);
  expect(asked[1]?.namespace).toBe('/run/netns/other');
  all.remove('network-1');
  expect(all.problem('network-1')).toBeDefined();
});
