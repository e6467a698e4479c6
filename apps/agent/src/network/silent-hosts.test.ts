import { FakeClock } from '@shoal/stage/testing';
import { beforeEach, expect, test } from 'vitest';
import type { HostReachability } from './ports.ts';
import { pulseEveryMsMax, pulseMsMax, SilentHosts } from './silent-hosts.ts';

const stepMs = 50;

let clock: FakeClock;
let hosts: HostReachability[];
/** Addresses from which something comes back. */
let living: Set<string>;
/** Hosts that records name. */
let named: Set<string>;
let changes: string[];
let silent: SilentHosts;
let pulses: number;

beforeEach(() => {
  clock = new FakeClock();
  hosts = [];
  living = new Set();
  named = new Set(['h0']);
  changes = [];
  pulses = 0;
  silent = new SilentHosts({
    hosts: () => hosts,
    // Who does not live does not answer until the time is over.
    pulse: ({ host }, timeoutMs) => {
      pulses += 1;
      if (living.has(host)) return Promise.resolve(true);
      return new Promise((resolve) => clock.after(timeoutMs, () => resolve(living.has(host))));
    },
    isNamed: (nodeId) => named.has(nodeId),
    clock,
    changed: (id) => changes.push(`${id} ${silent.has(id) ? 'silent' : 'heard'}`),
  });
});

function gossip(...standings: readonly HostReachability['standing'][]): void {
  hosts = standings.map((standing, at) => ({
    nodeId: `h${at}`,
    addr: `192.0.2.${at}:7946`,
    standing,
  }));
  silent.look();
}

async function advance(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= stepMs) await clock.advance(stepMs);
}

test('a host whose agent alone is away is not silent, however long gossip does without it', async () => {
  living.add('192.0.2.0');
  gossip('suspect');
  await advance(4_000);
  gossip('dead');
  await advance(20_000);
  expect(changes).toEqual([]);
  expect(pulses).toBeGreaterThan(10);
});

test('a dead machine is silent as soon as gossip gives it up: it was listened to while suspected', async () => {
  gossip('suspect');
  await advance(4_000);
  expect(changes).toEqual([]);
  gossip('dead');
  expect(changes).toEqual(['h0 silent']);
  expect(silent.all).toEqual(['h0']);
});

test('who was given up without a suspicion is silent after two misses, not one', async () => {
  gossip('dead');
  await advance(pulseMsMax + stepMs);
  expect(changes).toEqual([]);
  await advance(2 * pulseMsMax);
  expect(changes).toEqual(['h0 silent']);
});

test('a machine that answers again stays silent until its agent is heard', async () => {
  gossip('dead');
  await advance(5_000);
  living.add('192.0.2.0');
  await advance(5_000);
  expect(silent.has('h0')).toBe(true);
  gossip('alive');
  expect(changes).toEqual(['h0 silent', 'h0 heard']);
});

test('a machine that dies while its agent is away is noticed too', async () => {
  living.add('192.0.2.0');
  gossip('dead');
  await advance(3_000);
  living.clear();
  await advance(8_000);
  expect(changes).toEqual(['h0 silent']);
});

test('who answers is looked for ever more rarely, and no more once gossip has forgotten it', async () => {
  living.add('192.0.2.0');
  gossip('dead');
  await advance(10 * pulseEveryMsMax);
  // After 1, 2, … 32 s, and then after the longest pause.
  expect(pulses).toBeGreaterThan(13);
  expect(pulses).toBeLessThan(19);
  hosts = [];
  await advance(pulseEveryMsMax);
  const before = pulses;
  await advance(5 * pulseEveryMsMax);
  expect(pulses).toBe(before);
  expect(changes).toEqual([]);
});

test('a silent host that gossip has forgotten stays silent while a record names it', async () => {
  gossip('dead', 'alive');
  await advance(5_000);
  expect(changes).toEqual(['h0 silent']);
  hosts = [];
  silent.look();
  await advance(5 * pulseEveryMsMax);
  expect(silent.has('h0')).toBe(true);
  named.clear();
  await advance(pulseEveryMsMax);
  expect(silent.all).toEqual([]);
  expect(changes).toEqual(['h0 silent', 'h0 heard']);
});

test('a silent host that gossip had forgotten is served when its agent is heard', async () => {
  gossip('dead');
  await advance(5_000);
  gossip();
  expect(silent.has('h0')).toBe(true);
  gossip('suspect');
  expect(silent.has('h0')).toBe(true);
  gossip('alive');
  expect(changes).toEqual(['h0 silent', 'h0 heard']);
});

test('nobody is asked any more once it is stopped', async () => {
  gossip('dead', 'suspect');
  silent.stop();
  const before = pulses;
  await advance(5_000);
  expect(pulses).toBe(before);
  expect(changes).toEqual([]);
});
