import { join } from 'node:path';
import { identityDirectory } from '@shoal/pki/identity';

/** The log lies beside the identity, so that leaving removes both. */
export function logDirectory(dataDir: string): string {
  return join(identityDirectory(dataDir), 'log');
}
