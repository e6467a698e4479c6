import type { PeerCertificate } from 'node:tls';
import { type NodeSubject, subjectOf } from '@shoal/pki';

/** The node of the cluster that a verified certificate names; undefined when it is of none. */
export function provenNode(
  certificate: Pick<PeerCertificate, 'raw'> | undefined,
  clusterId: string,
): NodeSubject | undefined {
  const raw: Buffer | undefined = certificate?.raw;
  const subject = raw === undefined ? undefined : subjectOf(raw);
  return subject?.clusterId === clusterId ? subject : undefined;
}
