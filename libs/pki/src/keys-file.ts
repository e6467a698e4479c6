import { hkdfSync } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant, type Random, systemRandom } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';
import { z } from 'zod';
import { seal, sealKeyBytes, unseal } from './seal.ts';

/** A key of the log on disk; the one with the highest number seals what is new. */
export interface LogKey {
  readonly number: number;
  /** 32 bytes. */
  readonly key: Buffer;
}

/** All that is secret of a host, in one file so that it changes as one. */
export interface HostKeys {
  /** PKCS #8 PEM. */
  readonly key: string;
  /** That of the certificate before, while a new one is being written. */
  readonly previousKey?: string | undefined;
  /** Managers only: opens what is sealed in the state. */
  readonly sealKey?: Buffer | undefined;
  readonly logKeys: readonly LogKey[];
}

/** By which unlock key the file is wrapped; the version is the cluster's. */
export interface Lock {
  readonly version: number;
}

export const keysFileName = 'keys.json';
const unlockKeyBytes = 32;
const unlockKeyForm = /^SWMKEY-1-([A-Za-z0-9+/]{43})$/;
const place = 'shoal/keys/1';
const saltBytes = 16;

const bytes = z.base64().transform((text) => Buffer.from(text, 'base64'));
const key = bytes.refine((value) => value.length === sealKeyBytes, 'must be 32 bytes');

const plainKeys = z.object({
  key: z.string().min(1),
  previousKey: z.string().optional(),
  sealKey: key.optional(),
  logKeys: z.array(z.object({ number: z.number().int().min(1), key })),
});

const file = z.object({
  schema: z.literal(1),
  lock: z.object({ version: z.number().int(), salt: z.base64() }).nullable(),
  /** The keys themselves, or sealed text when there is a lock. */
  keys: z.unknown(),
});

/** A new unlock key in Swarm's form, `SWMKEY-1-<32 bytes in base64>`. */
export function newUnlockKey(random: Random): string {
  return `SWMKEY-1-${Buffer.from(random.bytes(unlockKeyBytes)).toString('base64').replace(/=+$/, '')}`;
}

/** Whether the text has an unlock key's form. */
export function isUnlockKey(text: string): boolean {
  return unlockKeyForm.test(text);
}

export type KeysRead =
  | { readonly kind: 'open'; readonly keys: HostKeys; readonly lock: Lock | null }
  /** Wrapped, and none of the unlock keys given opens it. */
  | { readonly kind: 'locked'; readonly lock: Lock };

/** @throws when the file is missing or is not one of ours; the message holds nothing secret. */
export async function readKeys(
  directory: string,
  unlockKeys: readonly string[],
): Promise<KeysRead> {
  const text = await readFile(path(directory), 'utf8');
  if (text === '') throw new Error(`${path(directory)} is empty`);
  const { lock, keys } = parsed(file, text, directory);
  if (lock === null) return { kind: 'open', keys: checked(plainKeys, keys, directory), lock };
  const sealed = { sealed: z.string().parse(keys) };
  for (const unlockKey of unlockKeys.filter(isUnlockKey)) {
    const opened = unseal(wrappingKey(unlockKey, lock.salt), sealed, place);
    if (opened === undefined) continue;
    const plain = parsed(plainKeys, opened.toString('utf8'), directory);
    return { kind: 'open', keys: plain, lock: { version: lock.version } };
  }
  return { kind: 'locked', lock: { version: lock.version } };
}

/** Errors of the parsers quote what they read; here that would be a secret. */
function parsed<T>(schema: z.ZodType<T>, text: string, directory: string): T {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error(`${path(directory)} is damaged: it is no JSON`);
  }
  return checked(schema, content, directory);
}

function checked<T>(schema: z.ZodType<T>, content: unknown, directory: string): T {
  const outcome = schema.safeParse(content);
  if (outcome.success) return outcome.data;
  const about = outcome.error.issues.map(({ path: at, message }) => `${at.join('.')}: ${message}`);
  throw new Error(`${path(directory)} is damaged: ${about.join('; ')}`);
}

/** Replaces the file, by the one process that has the lock on it; wrapped when a lock is given. @throws the file system's error. */
export async function writeKeys(
  directory: string,
  keys: HostKeys,
  lock: (Lock & { readonly unlockKey: string }) | null,
  random: Random = systemRandom,
): Promise<void> {
  const plain = {
    key: keys.key,
    previousKey: keys.previousKey,
    sealKey: keys.sealKey?.toString('base64'),
    logKeys: keys.logKeys.map(({ number, key }) => ({ number, key: key.toString('base64') })),
  };
  const salt = Buffer.from(random.bytes(saltBytes)).toString('base64');
  const content =
    lock === null
      ? { schema: 1, lock: null, keys: plain }
      : {
          schema: 1,
          lock: { version: lock.version, salt },
          keys: seal(wrappingKey(lock.unlockKey, salt), JSON.stringify(plain), place, random)
            .sealed,
        };
  await replaceFile(path(directory), `${JSON.stringify(content, undefined, 2)}\n`, 0o600);
  await removeUnfinished(directory);
}

/** What a process that crashed while it wrote has left behind holds keys too, and they may lie open there. */
async function removeUnfinished(directory: string): Promise<void> {
  const own = `.${keysFileName}.${process.pid}`;
  for (const name of await readdir(directory))
    if (name.startsWith(`.${keysFileName}.`) && name !== own)
      await rm(join(directory, name), { recursive: true, force: true });
}

/** The unlock key has all the randomness there is: no slow derivation is needed (RFC 5869). */
function wrappingKey(unlockKey: string, salt: string): Buffer {
  const secret = unlockKeyForm.exec(unlockKey)?.[1];
  // Anything else would wrap the keys by what everybody knows.
  invariant(secret !== undefined, 'an unlock key has the form SWMKEY-1-…');
  const material = Buffer.from(secret, 'base64');
  return Buffer.from(
    hkdfSync('sha256', material, Buffer.from(salt, 'base64'), place, sealKeyBytes),
  );
}

function path(directory: string): string {
  return join(directory, keysFileName);
}
