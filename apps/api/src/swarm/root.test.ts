import { X509Certificate } from 'node:crypto';
import { parseSwarmInit, parseSwarmUpdate } from '@shoal/docker-api';
import { type ClusterCa, createClusterCa, crossSign } from '@shoal/pki';
import { type Instant, systemClock, systemRandom } from '@shoal/runtime';
import type { Cluster } from '@shoal/state';
import { beforeAll, describe, expect, test } from 'vitest';
import { conceive } from '../cluster/genesis.ts';
import { openSealed, sealedPlaces } from '../cluster/sealed.ts';
import { changedCluster } from './update.ts';

let cluster: Cluster;
let sealKey: Buffer;
let brought: ClusterCa;
beforeAll(async () => {
  const place = {
    listen: { host: '0.0.0.0', port: 2_377 },
    advertise: { host: '10.0.0.1', port: 2_377 },
    dispatcher: { host: '0.0.0.0', port: 2_378 },
  };
  const asked = parseSwarmInit({ ListenAddr: '0.0.0.0:2377' });
  const { changes, identity } = await conceive(asked, place, systemClock, systemRandom);
  const [first] = changes;
  if (first?.op !== 'create' || first.table !== 'cluster' || identity.sealKey === undefined)
    throw new Error('no cluster');
  cluster = first.object;
  sealKey = identity.sealKey;
  brought = await createClusterCa(systemClock.now(), systemRandom);
});

/** `docker swarm update` with this in `CAConfig`. */
function update(
  CAConfig: Readonly<Record<string, unknown>>,
  { of = cluster, now = systemClock.now() } = {},
): Promise<Cluster> {
  const clock = { ...systemClock, now: () => now };
  const change = {
    ...parseSwarmUpdate({ CAConfig }),
    rotateWorkerToken: false,
    rotateManagerToken: false,
    rotateUnlockKey: false,
  };
  return changedCluster(of, change, { sealKey, clock, random: systemRandom });
}

const bring = ({ certificate, key }: ClusterCa) => ({
  SigningCACert: certificate,
  SigningCAKey: key,
});

test('a root that a user brings is on its way in', async () => {
  const { rootCa } = await update(bring(brought));
  expect(rootCa.rotation?.certificate).toBe(brought.certificate);
});

test.each([
  ['a heading of its time', (pem: string) => pem.replaceAll(' CERTIFICATE', ' X509 CERTIFICATE')],
  ['its contents before it', (pem: string) => `Certificate:\n    Data:\n${pem}`],
  ['the line ends of another system', (pem: string) => pem.replaceAll('\n', '\r\n')],
])('a root with %s is kept as nodes read it', async (_what, made) => {
  const certificate = made(brought.certificate);
  const { rootCa } = await update(bring({ ...brought, certificate }));
  expect(rootCa.rotation?.certificate).toBe(brought.certificate);
});

describe('no root is', () => {
  test('one that another authority has signed: to TLS a chain ends only with one of its own', async () => {
    const company = await createClusterCa(systemClock.now(), systemRandom);
    const certificate = await crossSign(company, brought, systemClock.now(), systemRandom);
    await expect(update(bring({ ...brought, certificate }))).rejects.toThrow('signed by itself');
  });

  test('one that is not valid yet: nodes would refuse all that it signs', async () => {
    const { validFromDate } = new X509Certificate(brought.certificate);
    const now = (validFromDate.getTime() - 1_000) as Instant;
    await expect(update(bring(brought), { now })).rejects.toThrow('not valid yet');
  });
});

describe('the present root', () => {
  let own: ClusterCa;
  beforeAll(() => {
    const { key, certificate } = cluster.rootCa;
    if (key === undefined) throw new Error('no root key');
    own = { certificate, key: openSealed(sealKey, key, sealedPlaces.rootKey(cluster.id)) };
  });

  test('calls off the one on its way, however its text ends its lines', async () => {
    const turning = await update(bring(brought));
    const certificate = own.certificate.replaceAll('\n', '\r\n');
    const { rootCa } = await update(bring({ ...own, certificate }), { of: turning });
    expect(rootCa).toMatchObject({ certificate: own.certificate });
    expect(rootCa.rotation).toBeUndefined();
  });

  test('gives way to none with the same key: what proves a node would not tell one from the other', async () => {
    const certificate = await crossSign(own, own, systemClock.now(), systemRandom);
    const again = update(bring({ ...own, certificate }));
    await expect(again).rejects.toThrow('Cannot update to a cert with an identical key');
  });
});

describe('docker swarm ca --rotate', () => {
  const rotated = (of: Cluster): Cluster => ({ ...of, rootCa: { ...of.rootCa, forceRotate: 2 } });

  test('turns the root, and the same update again asks for nothing', async () => {
    const turning = await update({ ForceRotate: 3 }, { of: rotated(cluster) });
    expect(turning.rootCa).toMatchObject({ forceRotate: 3, rotation: expect.anything() });
    const again = await update({ ForceRotate: 3 }, { of: turning });
    expect(again.rootCa).toBe(turning.rootCa);
  });

  test('turns it also after a client that left the count of rotations out, which turns nothing', async () => {
    const forgotten = await update({}, { of: rotated(cluster) });
    expect(forgotten.rootCa.rotation).toBeUndefined();
    const turning = await update({ ForceRotate: 1 }, { of: forgotten });
    expect(turning.rootCa).toMatchObject({ forceRotate: 1, rotation: expect.anything() });
  });
});
