import { newId, systemClock, systemRandom } from '@shoal/runtime';
import { type ClusterCa, createClusterCa, createNodeKey, issueCertificate } from '../authority.ts';
import type { Identity } from '../identity.ts';
import type { NodeRole } from '../role.ts';
import { newSealKey } from '../seal.ts';

/** A cluster that exists on paper only: real keys and certificates, no nodes behind them. */
export interface FakeCluster {
  readonly id: string;
  readonly ca: ClusterCa;
  identity(role: NodeRole): Promise<Identity>;
  /** The identity of the same node, with another key and certificate. */
  renew(identity: Identity): Promise<Identity>;
}

export async function createFakeCluster(id = newId(systemRandom)): Promise<FakeCluster> {
  const now = systemClock.now();
  const random = systemRandom;
  const ca = await createClusterCa(now, random);
  return {
    id,
    ca,
    async renew(identity) {
      const { key, request } = await createNodeKey();
      const { nodeId, role } = identity;
      const subject = { nodeId, role, clusterId: id };
      const issued = await issueCertificate({ ca, request, subject, now, random });
      if (issued.kind !== 'issued') throw new Error(issued.reason);
      return { ...identity, certificate: issued.certificate, key };
    },
    async identity(role) {
      const nodeId = newId(random);
      const { key, request } = await createNodeKey();
      const subject = { nodeId, role, clusterId: id };
      const issued = await issueCertificate({ ca, request, subject, now, random });
      if (issued.kind !== 'issued') throw new Error(issued.reason);
      return {
        clusterId: id,
        nodeId,
        role,
        advertiseAddr: '127.0.0.1',
        listenAddr: '127.0.0.1:2377',
        logAddr: '127.0.0.1:2377',
        dispatcherAddr: '127.0.0.1:2378',
        managers: [{ nodeId, logAddr: '127.0.0.1:2377', dispatcherAddr: '127.0.0.1:2378' }],
        caCertificate: ca.certificate,
        certificate: issued.certificate,
        key,
        voterId: role === 'manager' ? 7 : 0,
        ...(role === 'manager' ? { sealKey: newSealKey(random) } : {}),
        logKeys: role === 'manager' ? [{ number: 1, key: newSealKey(random) }] : [],
      };
    },
  };
}
