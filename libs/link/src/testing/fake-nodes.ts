import {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  type NodeRole,
} from '@shoal/pki';
import { newId, systemClock, systemRandom } from '@shoal/runtime';

/** What of an identity the link needs. */
export type FakeNode = Pick<
  Identity,
  'clusterId' | 'nodeId' | 'role' | 'caCertificate' | 'certificate' | 'key'
>;

/** Nodes on paper: real keys and certificates of one cluster. */
export class FakeNodes {
  readonly clusterId: string;
  readonly ca: ClusterCa;

  private constructor(clusterId: string, ca: ClusterCa) {
    this.clusterId = clusterId;
    this.ca = ca;
  }

  static async create(clusterId = newId(systemRandom)): Promise<FakeNodes> {
    return new FakeNodes(clusterId, await createClusterCa(systemClock.now(), systemRandom));
  }

  /** Asked again for a node's id it gives another key and certificate. */
  async node(role: NodeRole, nodeId = newId(systemRandom)): Promise<FakeNode> {
    const { clusterId, ca } = this;
    const { key, request } = await createNodeKey();
    const issued = await issueCertificate({
      ca,
      request,
      subject: { nodeId, role, clusterId },
      now: systemClock.now(),
      random: systemRandom,
    });
    if (issued.kind !== 'issued') throw new Error(issued.reason);
    const { certificate } = issued;
    return { clusterId, nodeId, role, caCertificate: ca.certificate, certificate, key };
  }
}
