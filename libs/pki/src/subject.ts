import { X509Certificate } from 'node:crypto';
import type { NodeSubject } from './authority.ts';
import { roleOf } from './role.ts';

/**
 * Whom a certificate (DER) names; undefined when it is not that of a node. Says nothing about who
 * issued it: that is for TLS to verify.
 */
export function subjectOf(der: Uint8Array): NodeSubject | undefined {
  const fields = new X509Certificate(der).subject.split('\n').map((line) => line.split('='));
  const only = (name: string): string | undefined => {
    const found = fields.filter(([key]) => key === name);
    return found.length === 1 ? found[0]?.[1] : undefined;
  };
  const nodeId = only('CN');
  const clusterId = only('O');
  const role = roleOf(only('OU') ?? '');
  if (!nodeId || !clusterId || role === undefined) return undefined;
  return { nodeId, role, clusterId };
}
