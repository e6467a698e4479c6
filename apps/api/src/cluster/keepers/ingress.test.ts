import { parseSwarmInit } from '@shoal/docker-api';
import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { FakeClock, FakeLog } from '@shoal/stage/testing';
import type { Change } from '@shoal/state';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { conceive, type Genesis } from '../genesis.ts';
import { keepIngress } from './ingress.ts';

const place = {
  listen: { host: '0.0.0.0', port: 2_377 },
  advertise: { host: '10.0.0.1', port: 2_377 },
  dispatcher: { host: '0.0.0.0', port: 2_378 },
};

let clock: FakeClock;
let log: FakeLog;
let genesis: Genesis;
let leader: string;
let stop: (() => Promise<void>) | undefined;

beforeEach(async () => {
  clock = new FakeClock();
  log = new FakeLog({ clock, random: systemRandom });
  const asked = parseSwarmInit({ ListenAddr: '0.0.0.0:2377' });
  genesis = await conceive(asked, place, systemClock, systemRandom);
  leader = genesis.identity.nodeId;
});
afterEach(() => stop?.());

/** What a release wrote that knew of no ingress network. */
function older(): readonly Change[] {
  return genesis.changes.flatMap((change) => {
    if (change.op !== 'create') return change;
    if (change.table === 'network' && change.object.spec.Ingress) return [];
    if (change.table !== 'cluster') return change;
    const { ingressMade: _later, ...object } = change.object;
    return { ...change, object };
  });
}

function keep(): void {
  const manager = {
    replica: log.replica(),
    identity: genesis.identity,
    quorum: async () => ({ leader, reachability: new Map() }),
    flushAudit: async () => undefined,
  };
  stop = keepIngress(manager as unknown as Parameters<typeof keepIngress>[0], {
    clock,
    random: systemRandom,
    logger: silentLogger,
  });
}

test('a swarm begins with the network of the routing mesh', () => {
  log.write(genesis.changes);
  expect(log.view.networks.ingress?.spec).toMatchObject({ Name: 'ingress', Driver: 'overlay' });
  expect(log.view.cluster?.ingressMade).toBe(true);
});

test('one that was founded before there was one gets it from its leader', async () => {
  log.write(older());
  leader = 'another';
  keep();
  await clock.advance(10_000);
  expect(log.view.networks.ingress).toBeUndefined();
  leader = genesis.identity.nodeId;
  await clock.advance(10_000);
  expect(log.view.networks.ingress?.spec.Name).toBe('ingress');
  expect(log.view.cluster?.ingressMade).toBe(true);
});

test('one that a person made in the meantime is left as it is', async () => {
  log.write(older());
  const own = genesis.changes.find(
    (change) => change.op === 'create' && change.table === 'network' && change.object.spec.Ingress,
  );
  if (own === undefined) throw new Error('no ingress network');
  log.write([own]);
  const made = log.view.networks.ingress?.id;
  keep();
  await clock.advance(10_000);
  expect(log.view.networks.ingress?.id).toBe(made);
  expect(log.view.cluster?.ingressMade).toBe(true);
});

test('one that was removed on purpose stays away', async () => {
  log.write(genesis.changes);
  const { ingress } = log.view.networks;
  if (ingress === undefined) throw new Error('no ingress network');
  log.write([{ op: 'delete', table: 'network', id: ingress.id, version: ingress.meta.version }]);
  const { index } = log.view;
  keep();
  await clock.advance(10_000);
  expect(log.view.index).toBe(index);
});
