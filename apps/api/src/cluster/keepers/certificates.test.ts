import {
  createNodeKey,
  issueCertificate,
  loadIdentity,
  nodeTlsInfo,
  requestCertificate,
  updateIdentity,
  validityOf,
} from '@shoal/pki';
import { type Instant, systemClock, systemRandom } from '@shoal/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually, type TestHost, TestHosts } from '../../testing/hosts.ts';
import { openSealed, sealedPlaces } from '../sealed.ts';
import { localSwarm } from '../standing.ts';
import { clusterTls } from '../trust.ts';
import { readAuthorityCopy } from './authority-copy.ts';
import { isValidAt } from './own-certificate.ts';

let site: TestHosts;
let host: TestHost;
let other: TestHost;
beforeEach(async () => {
  site = new TestHosts();
  const [first, second] = await site.start(2);
  if (first === undefined || second === undefined) throw new Error('two hosts');
  host = first;
  other = second;
  await host.init();
});
afterEach(() => site.close());

const day = 86_400_000;
const patience = 60_000;

/** Puts a certificate in the identity's place that was issued at another time. */
async function certifyAt(at: number): Promise<void> {
  const { rootCa, id } = host.cluster;
  const { identity, sealKey } = host.manager;
  const { nodeId, clusterId } = identity;
  if (rootCa.key === undefined) throw new Error('no root key');
  const { key, request } = await createNodeKey();
  const issued = await issueCertificate({
    ca: {
      certificate: rootCa.certificate,
      key: openSealed(sealKey, rootCa.key, sealedPlaces.rootKey(id)),
    },
    request,
    subject: { nodeId, role: 'manager', clusterId },
    now: at as Instant,
    random: systemRandom,
  });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  const { certificate } = issued;
  await eventually('the authority is copied', () => readAuthorityCopy(host.dataDir));
  await host.membership.stop();
  await updateIdentity(host.dataDir, { clusterId, nodeId }, (before) => ({
    ...before,
    certificate,
    key,
  }));
}

describe("a manager's own certificate", () => {
  test.each([
    ['ended while it was off', -200 * day],
    ['is of a time to come, by a clock that was wrong', 200 * day],
  ])(
    'is made anew at its start when it %s',
    async (_when, offMs) => {
      await certifyAt(systemClock.now() + offMs);
      const before = await loadIdentity(host.dataDir);
      if (before.kind !== 'complete') throw new Error(before.kind);
      expect(isValidAt(before.identity.certificate, systemClock.now())).toBe(false);
      await host.restart();
      expect(host.standing.kind).toBe('manager');
      await host.caughtUp();
      expect(isValidAt(host.manager.identity.certificate, systemClock.now())).toBe(true);
      expect(host.manager.identity.nodeId).toBe(before.identity.nodeId);
    },
    patience,
  );

  test('a clock that is wrong is named by docker info', async () => {
    const validity = validityOf(host.manager.identity.certificate);
    const early = ((validity?.from ?? 0) - 7_200_000) as Instant;
    expect(await localSwarm(host.standing, early)).toMatchObject({
      kind: 'manager',
      error: expect.stringContaining('7200 s from now'),
    });
    await eventually('nothing is wrong', async () => {
      const local = await localSwarm(host.standing, systemClock.now());
      return local.kind === 'manager' && local.error === '';
    });
  });
});

/** Does what the agent of a host does while a root rotates: renews the certificate, and says so. */
async function renewAsAgent(renewing: TestHost): Promise<void> {
  const { identity } = renewing.manager;
  const { certificate, key, caCertificate, nodeId } = identity;
  const outcome = await requestCertificate({
    addresses: [host.clusterPort],
    proof: { kind: 'renewal', certificate, key, trustRoots: caCertificate },
    clock: systemClock,
  });
  if (outcome.kind === 'failed') throw new Error(outcome.message);
  const renewed = {
    certificate: outcome.certificate,
    key: outcome.key,
    caCertificate: outcome.trustRoots,
  };
  await updateIdentity(renewing.dataDir, identity, (before) => ({ ...before, ...renewed }));
  await renewing.caughtUp();
  const node = renewing.view.nodes.get(nodeId);
  if (node === undefined) throw new Error('no node');
  const description = {
    Hostname: renewing.address,
    Platform: { Architecture: 'x86_64', OS: 'linux' },
    Resources: {},
    Engine: { EngineVersion: '28', Plugins: [] },
    TLSInfo: await nodeTlsInfo(renewed),
  };
  await renewing.write({ op: 'update', table: 'node', object: { ...node, description } });
}

test(
  'the root of trust turns while the managers run, and the tokens with it',
  async () => {
    await other.join(host, host.token('manager'));
    const before = host.cluster.rootCa.certificate;
    const oldToken = host.token('worker');
    const { spec } = host.cluster;
    await host.update({ spec: { ...spec, CAConfig: { ...spec.CAConfig, ForceRotate: 1 } } });
    const { rotation } = host.cluster.rootCa;
    expect(rotation?.crossSigned).toContain('BEGIN CERTIFICATE');
    const during = await clusterTls(host.cluster);
    expect(during.TrustRoot).toBe(before);
    const fresh = await clusterTls({
      ...host.cluster,
      rootCa: { certificate: rotation?.certificate ?? '' },
    });
    expect(during.CertIssuerPublicKey).toBe(fresh.CertIssuerPublicKey);
    await renewAsAgent(host);
    await renewAsAgent(other);
    await eventually('the rotation ends', () => host.cluster.rootCa.rotation === undefined);
    expect(host.cluster.rootCa).toMatchObject({
      certificate: rotation?.certificate,
      forceRotate: 1,
    });
    expect(host.token('worker').slice(0, 60)).not.toBe(oldToken.slice(0, 60));
    await eventually('the newest authority is copied', async () => {
      const copy = await readAuthorityCopy(host.dataDir);
      return copy?.certificate === rotation?.certificate;
    });
    await other.restart();
    await eventually('it is a manager', () => other.standing.kind === 'manager');
    await other.caughtUp();
    // The same spec again asks for nothing.
    await other.update();
    expect(other.cluster.rootCa.rotation).toBeUndefined();
  },
  patience,
);
