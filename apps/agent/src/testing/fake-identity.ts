import {
  type ClusterCa,
  createClusterCa,
  createNodeKey,
  type Identity,
  issueCertificate,
  type ManagerAddress,
  type NodeRole,
} from '@shoal/pki';
import { type Instant, systemRandom } from '@shoal/runtime';

export const clusterId = 'cluster0000000000000000000';
export const nodeId = 'node000000000000000000000';

/** A root and certificates of it, at any time. */
export class FakeAuthority {
  readonly ca: ClusterCa;

  private constructor(ca: ClusterCa) {
    this.ca = ca;
  }

  static async start(now: Instant): Promise<FakeAuthority> {
    return new FakeAuthority(await createClusterCa(now, systemRandom));
  }

  async issue(
    role: NodeRole,
    now: Instant,
    validityMs?: number,
    of = nodeId,
  ): Promise<Pick<Identity, 'certificate' | 'key' | 'caCertificate'>> {
    const { key, request } = await createNodeKey();
    const issued = await issueCertificate({
      ca: this.ca,
      request,
      subject: { nodeId: of, role, clusterId },
      now,
      random: systemRandom,
      ...(validityMs === undefined ? {} : { validityMs }),
    });
    if (issued.kind !== 'issued') throw new Error(issued.reason);
    return { certificate: issued.certificate, key, caCertificate: this.ca.certificate };
  }

  /** Of a worker that knows these managers. */
  async worker(now: Instant, managers: readonly ManagerAddress[]): Promise<Identity> {
    return {
      clusterId,
      nodeId,
      role: 'worker',
      voterId: 0,
      advertiseAddr: '127.0.0.1',
      listenAddr: '',
      logAddr: '',
      dispatcherAddr: '',
      managers: [...managers],
      logKeys: [],
      ...(await this.issue('worker', now)),
    };
  }
}
