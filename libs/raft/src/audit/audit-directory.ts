import { join } from 'node:path';

/** Where a manager of this swarm keeps who changed what: the log of another swarm counts from one again. */
export function auditDirectory(dataDir: string, clusterId: string): string {
  return join(dataDir, 'audit', clusterId);
}
