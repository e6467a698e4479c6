import { X509Certificate } from 'node:crypto';
import type { NodeSubject } from './authority.ts';
import { roleOf } from './role.ts';

/**
 * Whom a certificate (DER) names; undefined when it is not that of a node. Says nothing about who
 * issued it: that is for TLS to verify.
 */
export function subjectOf(der: Uint8Array): NodeSubject | undefined {
  // Node.js gives none where it is empty, whatever its types say.
  const subject: string | undefined = new X509Certificate(der).subject;
  const lines = subject?.split('\n') ?? [];
  const only = (name: string): string | undefined => {
    const found = lines.filter((line) => line.startsWith(`${name}=`));
    return found.length === 1 ? found[0]?.slice(name.length + 1) : undefined;
  };
  const nodeId = only('CN');
  const clusterId = only('O');
  const role = roleOf(only('OU') ?? '');
  if (!nodeId || !clusterId || role === undefined) return undefined;
  return { nodeId, role, clusterId };
}
