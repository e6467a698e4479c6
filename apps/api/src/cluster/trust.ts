import type { TlsShape } from '@shoal/docker-api';
import { tlsInfo } from '@shoal/pki';
import type { Cluster } from '@shoal/state';

/** Reading a certificate costs; there are one or two of them at a time. */
const remembered = 4;
const known = new Map<string, Promise<TlsShape>>();

function shapeOf(certificate: string): Promise<TlsShape> {
  const hit = known.get(certificate);
  if (hit !== undefined) return hit;
  const made = tlsInfo(certificate);
  known.set(certificate, made);
  for (const key of known.keys()) {
    if (known.size <= remembered) break;
    known.delete(key);
  }
  return made;
}

/**
 * What clients see of the cluster's trust. While a root rotates, the root shown is still the old one
 * and the issuer already the new one: the CLI counts the nodes that have arrived there.
 */
export async function clusterTls({ rootCa }: Cluster): Promise<TlsShape> {
  const root = await shapeOf(rootCa.certificate);
  if (rootCa.rotation === undefined) return root;
  const next = await shapeOf(rootCa.rotation.certificate);
  return { ...next, TrustRoot: root.TrustRoot };
}
