import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '@shoal/runtime';
import { replaceFile, syncDirectory } from '@shoal/runtime/durable-file';
import { z } from 'zod';
import { sealKeyBytes } from './seal.ts';
import { subjectOf } from './subject.ts';

const managerAddress = z.object({
  nodeId: z.string().min(1),
  /** Where its log listens, `host:port`. */
  logAddr: z.string().min(1),
  /** Where its dispatcher listens, `host:port`. */
  dispatcherAddr: z.string().min(1),
});

const nodeFile = z.object({
  schema: z.literal(1),
  state: z.literal('complete'),
  clusterId: z.string().min(1),
  nodeId: z.string().min(1),
  role: z.enum(['manager', 'worker']),
  /** How other hosts reach this one, without port. */
  advertiseAddr: z.string(),
  /** Where the cluster port listens, `host:port`; empty on workers. */
  listenAddr: z.string(),
  /** The log as this host reaches its own voter, `host:port`; empty on workers. */
  logAddr: z.string(),
  /** The dispatcher as this host reaches its own, `host:port`; empty on workers. */
  dispatcherAddr: z.string(),
  managers: z.array(managerAddress),
});

export type ManagerAddress = z.output<typeof managerAddress>;

/** Who this host is in its cluster, with what proves it. Keys are secrets: never logged. */
export interface Identity extends Omit<z.output<typeof nodeFile>, 'schema' | 'state'> {
  /** Trust root, PEM. */
  readonly caCertificate: string;
  /** PEM. */
  readonly certificate: string;
  /** PKCS #8 PEM of the certificate's key. */
  readonly key: string;
  /** Opens what is sealed in the state; 32 bytes. */
  readonly sealKey: Buffer;
}

export type IdentityState =
  /** The host is in no cluster. */
  | { readonly kind: 'none' }
  | { readonly kind: 'complete'; readonly identity: Identity }
  /** There was one, and it cannot be used. */
  | { readonly kind: 'broken'; readonly reason: string };

const nodeFileName = 'node.json';
const files = { ca: 'ca.crt', certificate: 'node.crt', key: 'node.key', seal: 'seal.key' } as const;

/** The identity's folder under a data directory. */
export function identityDirectory(dataDir: string): string {
  return join(dataDir, 'swarm');
}

/** The file whose presence makes an identity complete; written last, removed first. */
export function identityFile(dataDir: string): string {
  return join(identityDirectory(dataDir), nodeFileName);
}

/**
 * Writes the identity so that a crash at any instant leaves none or all of it.
 * @throws the file system's error.
 */
export async function writeIdentity(dataDir: string, identity: Identity): Promise<void> {
  const directory = identityDirectory(dataDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { caCertificate, certificate, key, sealKey, ...node } = identity;
  await replaceFile(join(directory, files.ca), caCertificate);
  await replaceFile(join(directory, files.key), key, 0o600);
  await replaceFile(join(directory, files.certificate), certificate);
  await replaceFile(join(directory, files.seal), `${sealKey.toString('base64')}\n`, 0o600);
  const text = JSON.stringify({ schema: 1, state: 'complete', ...node }, undefined, 2);
  await replaceFile(join(directory, nodeFileName), `${text}\n`);
  await syncDirectory(dataDir);
}

/** Reads and checks the identity. Leftovers without `node.json` count as none: nothing was promised yet. */
export async function loadIdentity(dataDir: string): Promise<IdentityState> {
  const directory = identityDirectory(dataDir);
  let text: string;
  try {
    text = await readFile(join(directory, nodeFileName), 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'none' };
    return { kind: 'broken', reason: errorMessage(error) };
  }
  try {
    const { schema: _schema, state: _state, ...node } = nodeFile.parse(JSON.parse(text));
    const [caCertificate, certificate, key, seal] = await Promise.all(
      [files.ca, files.certificate, files.key, files.seal].map((name) =>
        readFile(join(directory, name), 'utf8'),
      ),
    );
    if (!caCertificate || !certificate || !key || !seal) {
      return { kind: 'broken', reason: `a file in ${directory} is empty` };
    }
    const sealKey = Buffer.from(seal, 'base64');
    const identity = { ...node, caCertificate, certificate, key, sealKey };
    const reason = contradiction(identity);
    return reason === undefined ? { kind: 'complete', identity } : { kind: 'broken', reason };
  } catch (error) {
    const about = error instanceof z.ZodError ? z.prettifyError(error) : errorMessage(error);
    return { kind: 'broken', reason: `${join(directory, nodeFileName)}: ${about}` };
  }
}

/** Takes the host out of its cluster: from the first step on it has no identity. */
export async function removeIdentity(dataDir: string): Promise<void> {
  const directory = identityDirectory(dataDir);
  for (const name of [nodeFileName, files.key, files.seal, files.certificate, files.ca]) {
    await rm(join(directory, name), { force: true });
    if (name === nodeFileName) await syncDirectory(directory).catch(() => undefined);
  }
}

/** What does not fit together, in one sentence; undefined when all does. */
function contradiction(identity: Identity): string | undefined {
  const certificate = new X509Certificate(identity.certificate);
  if (!certificate.checkIssued(new X509Certificate(identity.caCertificate))) {
    return 'the certificate was not issued by the trust root beside it';
  }
  if (!certificate.checkPrivateKey(createPrivateKey(identity.key))) {
    return 'the private key is not that of the certificate';
  }
  const subject = subjectOf(certificate.raw);
  if (subject?.nodeId !== identity.nodeId || subject.clusterId !== identity.clusterId) {
    return `the certificate is that of another node (${certificate.subject})`;
  }
  if (subject.role !== identity.role) return `the certificate is that of a ${subject.role}`;
  if (identity.sealKey.length !== sealKeyBytes) return 'the seal key does not have 32 bytes';
  return undefined;
}
