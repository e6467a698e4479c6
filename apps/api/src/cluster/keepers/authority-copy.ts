import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityDirectory } from '@shoal/pki';
import { replaceFile } from '@shoal/runtime/durable-file';
import type { Cluster } from '@shoal/state';
import { z } from 'zod';
import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { Keeper } from './keeper.ts';

const everyMs = 60_000;

const file = z.object({
  schema: z.literal(1),
  /** PEM. */
  certificate: z.string(),
  /** Its key, sealed as in the state. */
  key: z.object({ sealed: z.string() }).optional(),
  /** Lets nodes that trust only the old root verify what the new one signs; PEM, empty between rotations. */
  crossSigned: z.string(),
  validityMs: z.number().positive(),
});

/** What a manager needs to certify itself while nobody can be asked. */
export type AuthorityCopy = Omit<z.output<typeof file>, 'schema'>;

function pathOf(dataDir: string): string {
  return join(identityDirectory(dataDir), 'authority.json');
}

const nanosPerMilli = 1_000_000;

/** The root that certificates come from now; during a rotation the new one. */
function copyOf({ rootCa, spec }: Cluster): AuthorityCopy {
  const { certificate, key } = rootCa.rotation ?? rootCa;
  const validityMs = spec.CAConfig.NodeCertExpiry / nanosPerMilli;
  const crossSigned = rootCa.rotation?.crossSigned ?? '';
  return { certificate, ...(key === undefined ? {} : { key }), crossSigned, validityMs };
}

export async function readAuthorityCopy(dataDir: string): Promise<AuthorityCopy | undefined> {
  try {
    const { schema: _schema, ...copy } = file.parse(
      JSON.parse(await readFile(pathOf(dataDir), 'utf8')),
    );
    return copy;
  } catch {
    return undefined;
  }
}

async function writeAuthorityCopy(dataDir: string, copy: AuthorityCopy): Promise<void> {
  await replaceFile(pathOf(dataDir), `${JSON.stringify({ schema: 1, ...copy })}\n`, 0o600);
}

/**
 * Keeps a copy of the cluster's authority beside the identity. Without it a manager whose certificate ended
 * while it was off could not even read its own log: its followers speak to it by mutual TLS.
 */
export function keepAuthorityCopy(
  manager: HostedManager,
  { dataDir, clock, logger }: MembershipOptions,
): () => Promise<void> {
  const { replica } = manager;
  let written: Cluster['rootCa'] | undefined;
  const look = async (): Promise<void> => {
    const { cluster } = replica.view;
    if (!replica.ready || cluster === undefined || cluster.rootCa === written) return;
    await writeAuthorityCopy(dataDir, copyOf(cluster));
    written = cluster.rootCa;
  };
  const keeper = new Keeper({ name: 'authority copy', everyMs, clock, logger, look });
  const unsubscribe = replica.subscribe(() => {
    const { cluster } = replica.view;
    if (replica.ready && cluster !== undefined && cluster.rootCa !== written) keeper.wake();
  });
  return () => {
    unsubscribe();
    return keeper.stop();
  };
}
