import type { ChannelCredentials } from '@grpc/grpc-js';
import {
  type ClusterCa,
  channelCredentials,
  createClusterCa,
  createNodeKey,
  issueCertificate,
  type NodeRole,
  type Proof,
} from '@shoal/pki';
import { systemClock, systemRandom } from '@shoal/runtime';
import type { VoterTls } from '../worker-protocol.ts';

export const testClusterId = 'cluster0000000000000000000';

export function newAuthority(): Promise<ClusterCa> {
  return createClusterCa(systemClock.now(), systemRandom);
}

/** A certificate for a new key of the node. */
export async function proofOf(
  ca: ClusterCa,
  nodeId: string,
  role: NodeRole,
  clusterId = testClusterId,
): Promise<VoterTls> {
  const { key, request } = await createNodeKey();
  const issued = await issueCertificate({
    ca,
    request,
    subject: { nodeId, role, clusterId },
    now: systemClock.now(),
    random: systemRandom,
  });
  if (issued.kind !== 'issued') throw new Error(issued.reason);
  return { clusterId, trustRoots: ca.certificate, certificate: issued.certificate, key };
}

/** What a client proves itself with. */
export function clientProof({ trustRoots, certificate, key }: VoterTls): Proof {
  return { caCertificate: trustRoots, certificate, key };
}

/** What a client proves itself with, in gRPC's form. */
export function credentialsOf(tls: VoterTls): ChannelCredentials {
  return channelCredentials(clientProof(tls));
}
