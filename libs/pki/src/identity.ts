import { createPrivateKey, X509Certificate } from 'node:crypto';
import { access, copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, invariant } from '@shoal/runtime';
import { replaceFile, syncDirectory } from '@shoal/runtime/durable-file';
import { z } from 'zod';
import { isTrusted } from './chain.ts';
import { withFileLock } from './file-lock.ts';
import {
  type HostKeys,
  isUnlockKey,
  keysFileName,
  type Lock,
  type LogKey,
  readKeys,
  writeKeys,
} from './keys-file.ts';
import { hasOldKeys, moveOldKeys, oldKeyFiles } from './old-keys.ts';
import { forgetUnlockKeys, readUnlockKeys, writeUnlockKeys } from './runtime-directory.ts';
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
  /** This manager's number among the log's voters; 0 on workers, and before a voter was made. */
  voterId: z.number().int().min(0).default(0),
  /** How other hosts reach this one, without port. */
  advertiseAddr: z.string(),
  /** Whether a user named that address. Where not, it may change; absent: nobody noted it. */
  advertiseNamed: z.boolean().optional(),
  /** The cluster port as other hosts must name it; absent: the one it listens on. */
  advertisePort: z.number().int().min(1).max(65_535).optional(),
  /** Where the host's tunnels to others end, canonical; absent: where it is reached. */
  dataPathAddr: z.string().optional(),
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
  /** Trust roots, PEM; two while the cluster's root rotates. */
  readonly caCertificate: string;
  /** PEM; the node's own first, then what leads from it to a trust root. */
  readonly certificate: string;
  /** PKCS #8 PEM of the certificate's key. */
  readonly key: string;
  /** Managers only: opens what is sealed in the state; 32 bytes. */
  readonly sealKey?: Buffer | undefined;
  /** Managers only: what the log on this disk is encrypted with, newest last. */
  readonly logKeys: readonly LogKey[];
}

export type IdentityState =
  /** The host is in no cluster. */
  | { readonly kind: 'none' }
  | { readonly kind: 'complete'; readonly identity: Identity }
  /** Its keys are wrapped, and nobody has unlocked them since the host started. */
  | { readonly kind: 'locked'; readonly nodeId: string; readonly clusterId: string }
  /** There was one, and it cannot be used. */
  | { readonly kind: 'broken'; readonly reason: string };

const nodeFileName = 'node.json';
const files = { ca: 'ca.crt', certificate: 'node.crt' } as const;

const lockFileName = '.update';

/** The identity's folder under a data directory. */
export function identityDirectory(dataDir: string): string {
  return join(dataDir, 'swarm');
}

/** The file whose presence makes an identity complete; written last, removed first. */
export function identityFile(dataDir: string): string {
  return join(identityDirectory(dataDir), nodeFileName);
}

/**
 * Writes the identity so that a crash at any instant leaves none or all of it, or the one before. A lock
 * that is on the keys stays on them.
 * @throws the file system's error, or that the keys are locked.
 */
export async function writeIdentity(dataDir: string, identity: Identity): Promise<void> {
  const directory = identityDirectory(dataDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { caCertificate, certificate, key, sealKey, logKeys, ...node } = identity;
  const before = await openKeys(dataDir);
  const lock = before?.lock ?? null;
  // Certificate and keys are two files: until both are there, either certificate finds what goes with it.
  const interim = await both({ key, sealKey, logKeys }, before?.keys, directory);
  await writeKeys(directory, interim, lock);
  await replaceFile(join(directory, files.ca), caCertificate);
  await replaceFile(join(directory, files.certificate), certificate);
  const text = JSON.stringify({ schema: 1, state: 'complete', ...node }, undefined, 2);
  await replaceFile(join(directory, nodeFileName), `${text}\n`);
  if (interim.previousKey !== undefined || interim.sealKey !== sealKey)
    await writeKeys(directory, { key, sealKey, logKeys }, lock);
  await syncDirectory(dataDir);
}

/** The new keys, with those of the old ones that the old certificate needs. */
async function both(
  now: HostKeys,
  before: HostKeys | undefined,
  directory: string,
): Promise<HostKeys> {
  if (before === undefined) return now;
  const used = await keyInUse(before, directory);
  const previousKey = used === now.key ? undefined : used;
  return { ...now, previousKey, sealKey: now.sealKey ?? before.sealKey };
}

/** That of the certificate on the disk: after a write that ended half-way it is not the newest. */
async function keyInUse(keys: HostKeys, directory: string): Promise<string> {
  try {
    return keyOf(await readFile(join(directory, files.certificate), 'utf8'), keys);
  } catch {
    return keys.key;
  }
}

/** The keys on disk with the lock that is on them; undefined when there are none. @throws when they are locked. */
async function openKeys(dataDir: string): Promise<
  | {
      readonly keys: HostKeys;
      readonly lock: (Lock & { readonly unlockKey: string }) | null;
    }
  | undefined
> {
  const directory = identityDirectory(dataDir);
  if (!(await exists(join(directory, keysFileName)))) return undefined;
  const unlockKeys = await readUnlockKeys(dataDir);
  for (const unlockKey of ['', ...unlockKeys]) {
    const read = await readKeys(directory, unlockKey === '' ? [] : [unlockKey]);
    if (read.kind === 'open')
      return { keys: read.keys, lock: read.lock === null ? null : { ...read.lock, unlockKey } };
  }
  throw new Error('the keys of this host are locked; unlock the swarm first');
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}

/** Reads and checks the identity. Leftovers without `node.json` count as none: nothing was promised yet. */
export async function loadIdentity(dataDir: string): Promise<IdentityState> {
  const directory = identityDirectory(dataDir);
  const nodeFile = identityFile(dataDir);
  if ((await exists(nodeFile)) && (await hasOldKeys(directory)))
    try {
      await withFileLock(lockFile(dataDir), () => moveOldKeys(directory, nodeFile));
    } catch (error) {
      return { kind: 'broken', reason: `the keys could not be moved: ${aboutError(error)}` };
    }
  const state = await readIdentity(dataDir);
  if (state.kind !== 'broken') return state;
  // Perhaps some of it is from before a change and some from after: under the lock nothing changes.
  return withFileLock(lockFile(dataDir), () => readIdentity(dataDir)).catch(() => state);
}

async function readIdentity(dataDir: string): Promise<IdentityState> {
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
    const [caCertificate, certificate] = await Promise.all(
      [files.ca, files.certificate].map((name) => readFile(join(directory, name), 'utf8')),
    );
    if (!caCertificate || !certificate)
      return { kind: 'broken', reason: `a file in ${directory} is empty` };
    const read = await readKeys(directory, await readUnlockKeys(dataDir));
    if (read.kind === 'locked')
      return { kind: 'locked', nodeId: node.nodeId, clusterId: node.clusterId };
    const { sealKey, logKeys } = read.keys;
    const key = keyOf(certificate, read.keys);
    const identity: Identity = {
      ...node,
      // A crash while the node changed its role may have left the other one in node.json.
      role: subjectOf(new X509Certificate(certificate).raw)?.role ?? node.role,
      caCertificate,
      certificate,
      key,
      ...(sealKey === undefined ? {} : { sealKey }),
      logKeys,
    };
    const reason = contradiction(identity);
    return reason === undefined ? { kind: 'complete', identity } : { kind: 'broken', reason };
  } catch (error) {
    return { kind: 'broken', reason: `${join(directory, nodeFileName)}: ${aboutError(error)}` };
  }
}

function aboutError(error: unknown): string {
  return error instanceof z.ZodError ? z.prettifyError(error) : errorMessage(error);
}

/** A crash in the middle of a renewal leaves the new key beside the old certificate. */
function keyOf(certificate: string, { key, previousKey }: HostKeys): string {
  if (previousKey === undefined) return key;
  const x509 = new X509Certificate(certificate);
  const fits = x509.checkPrivateKey(createPrivateKey(key));
  return !fits && x509.checkPrivateKey(createPrivateKey(previousKey)) ? previousKey : key;
}

/**
 * Takes the host out of its cluster: from the first step on it has no identity. An update under way ends
 * first; one that comes later finds nothing to change.
 */
export async function removeIdentity(dataDir: string): Promise<void> {
  const directory = identityDirectory(dataDir);
  if (await exists(directory))
    await withFileLock(lockFile(dataDir), async () => {
      await rm(identityFile(dataDir), { force: true });
      await syncDirectory(directory);
      const { key, seal } = oldKeyFiles;
      for (const name of [keysFileName, key, seal, files.certificate, files.ca])
        await rm(join(directory, name), { force: true });
    });
  await forgetUnlockKeys(dataDir);
}

/**
 * Copies the identity, and whatever else lies in files beside it, as it is at one moment; gives what was copied. Keys
 * that are locked stay so.
 * @throws the file system's error
 */
export async function copyIdentity(dataDir: string, to: string): Promise<IdentityState> {
  const state = await loadIdentity(dataDir);
  if (state.kind === 'none' || state.kind === 'broken') return state;
  const [from, target] = [identityDirectory(dataDir), identityDirectory(to)];
  return withFileLock(lockFile(dataDir), async () => {
    await mkdir(target, { recursive: true, mode: 0o700 });
    // Names with a dot are locks, and files that are being written.
    for (const entry of await readdir(from, { withFileTypes: true }))
      if (entry.isFile() && !entry.name.startsWith('.'))
        await copyFile(join(from, entry.name), join(target, entry.name));
    return readIdentity(dataDir);
  });
}

function lockFile(dataDir: string): string {
  return join(identityDirectory(dataDir), lockFileName);
}

/** Which node of which swarm a host is. */
export type NodeName = Pick<Identity, 'clusterId' | 'nodeId'>;

/**
 * Reads, changes and writes the identity with nobody in between: agent and api both do so.
 * @param of whose identity is to be changed: what was begun for one node may end when the host is another.
 * @throws when there is no complete identity, or that of another node, or the file system's error.
 */
export function updateIdentity(
  dataDir: string,
  of: NodeName,
  change: (identity: Identity) => Identity,
): Promise<Identity> {
  return withFileLock(lockFile(dataDir), async () => {
    await moveOldKeys(identityDirectory(dataDir), identityFile(dataDir));
    const state = await readIdentity(dataDir);
    if (state.kind !== 'complete') throw new Error(`the identity of this host is ${state.kind}`);
    const { clusterId, nodeId } = state.identity;
    if (clusterId !== of.clusterId || nodeId !== of.nodeId)
      throw new Error(`this host is node ${nodeId} by now, and no more ${of.nodeId}`);
    const identity = change(state.identity);
    if (identity !== state.identity) await writeIdentity(dataDir, identity);
    return identity;
  });
}

/** The lock on this host's keys; null when they lie open. @throws when there are none. */
export async function lockOf(dataDir: string): Promise<Lock | null> {
  const { lock } = await readKeys(identityDirectory(dataDir), []);
  return lock;
}

/**
 * Wraps this host's keys by an unlock key, or lays them open; the log's keys change with it, all or nothing.
 * @throws when they are locked.
 */
export function setLock(
  dataDir: string,
  lock: (Lock & { readonly unlockKey: string }) | null,
  changeLogKeys: (before: readonly LogKey[]) => readonly LogKey[] = (before) => before,
): Promise<void> {
  const directory = identityDirectory(dataDir);
  return withFileLock(lockFile(dataDir), async () => {
    const open = await openKeys(dataDir);
    if (open === undefined) throw new Error('this host has no keys');
    const known = open.lock === null ? [] : [open.lock.unlockKey];
    // Before it lies anywhere: keys wrapped by what is no key could be opened by nobody, or by everybody.
    invariant(lock === null || isUnlockKey(lock.unlockKey), 'the lock has an unlock key');
    const keys: HostKeys = { ...open.keys, logKeys: changeLogKeys(open.keys.logKeys) };
    // First the key, then what it opens: a crash in between leaves the host unlocked.
    if (lock !== null) await writeUnlockKeys(dataDir, [lock.unlockKey, ...known]);
    await writeKeys(directory, keys, lock);
    if (lock === null) await forgetUnlockKeys(dataDir);
    else await writeUnlockKeys(dataDir, [lock.unlockKey]);
  });
}

/** Opens a locked host until it is stopped or loses power. */
export async function unlock(
  dataDir: string,
  unlockKey: string,
): Promise<'unlocked' | 'wrong-key' | 'not-locked'> {
  const directory = identityDirectory(dataDir);
  const known = await readKeys(directory, await readUnlockKeys(dataDir));
  if (known.kind === 'open') return 'not-locked';
  const read = await readKeys(directory, [unlockKey]);
  if (read.kind === 'locked') return 'wrong-key';
  await writeUnlockKeys(dataDir, [unlockKey]);
  return 'unlocked';
}

/** What does not fit together, in one sentence; undefined when all does. */
function contradiction(identity: Identity): string | undefined {
  const certificate = new X509Certificate(identity.certificate);
  if (!isTrusted(identity.certificate, identity.caCertificate))
    return 'the certificate was not issued by the trust root beside it';
  if (!certificate.checkPrivateKey(createPrivateKey(identity.key))) {
    return 'the private key is not that of the certificate';
  }
  const subject = subjectOf(certificate.raw);
  if (subject?.nodeId !== identity.nodeId || subject.clusterId !== identity.clusterId) {
    return `the certificate is that of another node (${certificate.subject})`;
  }
  return undefined;
}
