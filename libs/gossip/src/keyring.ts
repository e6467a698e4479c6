import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { invariant, type Random } from '@shoal/runtime';

const cipher = 'aes-256-gcm';
export const gossipKeyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
/** Format, key number (2 bytes), nonce. */
const headBytes = 1 + 2 + nonceBytes;
const format = 1;

/** What sealing adds to a packet, bytes. */
export const sealBytes = headBytes + tagBytes;

/** `number` grows with each key that the cluster makes; 16 bits of it go along. */
export interface GossipKey {
  readonly number: number;
  readonly key: Uint8Array;
}

/**
 * The cluster's gossip keys. Everything is sealed with the one the managers call primary and opened with
 * any, so that keys rotate while hosts learn of it at different times: first all know the new key, then it
 * becomes primary, then the old one goes.
 */
export class Keyring {
  readonly #random: Random;
  #keys = new Map<number, KeyObject>();
  #primary = 0;

  constructor(random: Random, keys: readonly GossipKey[], primary: number) {
    this.#random = random;
    this.replace(keys, primary);
  }

  replace(keys: readonly GossipKey[], primary: number): void {
    const known = keys.some(({ number }) => number === primary);
    invariant(known, 'the primary key is one of the keys', { primary });
    for (const { number, key } of keys)
      invariant(key.length === gossipKeyBytes, 'a gossip key has 32 bytes', { number });
    this.#keys = new Map(keys.map(({ number, key }) => [number & 0xffff, createSecretKey(key)]));
    this.#primary = primary & 0xffff;
  }

  seal(plain: Uint8Array): Uint8Array {
    const key = this.#keys.get(this.#primary);
    invariant(key !== undefined, 'the primary key is one of the keys', { primary: this.#primary });
    const head = Buffer.alloc(headBytes);
    head[0] = format;
    head.writeUInt16BE(this.#primary, 1);
    head.set(this.#random.bytes(nonceBytes), 3);
    const sealer = createCipheriv(cipher, key, head.subarray(3), { authTagLength: tagBytes });
    sealer.setAAD(head.subarray(0, 3));
    return Buffer.concat([head, sealer.update(plain), sealer.final(), sealer.getAuthTag()]);
  }

  /** Undefined when no key of this cluster has sealed it, or it was changed on the way. */
  open(sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < sealBytes || sealed[0] !== format) return undefined;
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    const key = this.#keys.get(bytes.readUInt16BE(1));
    if (key === undefined) return undefined;
    const nonce = bytes.subarray(3, headBytes);
    const opener = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes });
    opener.setAAD(bytes.subarray(0, 3));
    opener.setAuthTag(bytes.subarray(bytes.length - tagBytes));
    try {
      const body = bytes.subarray(headBytes, bytes.length - tagBytes);
      return Buffer.concat([opener.update(body), opener.final()]);
    } catch {
      return undefined;
    }
  }
}
