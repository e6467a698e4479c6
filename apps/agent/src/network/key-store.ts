import { hkdfSync } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { GossipKey } from '@shoal/gossip';
import { seal, unseal } from '@shoal/pki';
import { errorMessage, type Logger, type Random } from '@shoal/runtime';
import { replaceFile } from '@shoal/runtime/durable-file';
import { z } from 'zod';
import { readGossipKeys, writeGossipKey } from './gossip-keys.ts';

const sealingKeyBytes = 32;
const ownerOnly = 0o600;

const file = z.object({ schema: z.literal(1), sealed: z.string() });
const content = z.array(z.string());

/** Where a host's gossip keys are kept, under the data directory. */
export function gossipKeysFile(dataDir: string): string {
  return join(dataDir, 'agent', 'gossip-keys.json');
}

export interface GossipKeyStoreOptions {
  readonly path: string;
  readonly nodeId: string;
  /** The private key of the node's identity, PEM: who cannot read that cannot read the gossip's either. */
  readonly secret: string;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The gossip keys over restarts of the agent, so that it speaks with the other hosts while no dispatcher can
 * be reached. Sealed with a key that is derived from the node's own (RFC 5869).
 */
export class GossipKeyStore {
  readonly #options: GossipKeyStoreOptions;
  #sealingKey: Buffer;
  #kept: readonly GossipKey[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(options: GossipKeyStoreOptions) {
    this.#options = options;
    this.#sealingKey = sealingKeyOf(options.secret);
  }

  /** Newest first; none where there is nothing that this node's key opens. */
  async load(): Promise<readonly GossipKey[]> {
    const { path, logger } = this.#options;
    try {
      const sealed = file.parse(JSON.parse(await readFile(path, 'utf8')));
      const plain = unseal(this.#sealingKey, sealed, this.#place);
      if (plain === undefined) throw new Error('another key has sealed them');
      const keys = content.parse(JSON.parse(plain.toString('utf8')));
      this.#kept = readGossipKeys(keys.map((key) => Buffer.from(key, 'base64')));
      return this.#kept;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        logger.warn({ reason: errorMessage(error) }, 'gossip_keys_unreadable');
      return [];
    }
  }

  /** Writes what is not written yet. */
  keep(keys: readonly GossipKey[]): void {
    if (isDeepStrictEqual(keys, this.#kept)) return;
    this.#kept = keys;
    this.#write();
  }

  /** The node has another private key. */
  renew(secret: string): void {
    const sealingKey = sealingKeyOf(secret);
    if (sealingKey.equals(this.#sealingKey)) return;
    this.#sealingKey = sealingKey;
    if (this.#kept.length > 0) this.#write();
  }

  /** Resolves when everything is on the disk, or could not be written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async forget(): Promise<void> {
    this.#kept = [];
    await this.flush();
    await rm(this.#options.path, { force: true });
  }

  get #place(): string {
    return `node/${this.#options.nodeId}/gossip-keys`;
  }

  #write(): void {
    const { random, path, logger } = this.#options;
    const keys = this.#kept.map((key) => writeGossipKey(key).toString('base64'));
    const sealed = seal(this.#sealingKey, JSON.stringify(keys), this.#place, random);
    this.#writing = this.#writing.then(async () => {
      try {
        await mkdir(dirname(path), { recursive: true, mode: 0o700 });
        await replaceFile(path, `${JSON.stringify({ schema: 1, ...sealed })}\n`, ownerOnly);
      } catch (error) {
        logger.warn({ reason: errorMessage(error) }, 'gossip_keys_not_kept');
      }
    });
  }
}

function sealingKeyOf(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', 'shoal gossip keys', sealingKeyBytes));
}
