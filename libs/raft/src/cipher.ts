import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto';
import { invariant, type Random } from '@shoal/runtime';

const algorithm = 'aes-256-gcm';
const keyBytes = 32;
const nonceBytes = 12;
const noncesAtOnce = 64;
const tagBytes = 16;
/** What sealing adds: the nonce before, the tag behind. */
export const sealingBytes = nonceBytes + tagBytes;

/** A key of the log on one disk. Random nonces allow 2^32 frames under one key (NIST SP 800-38D, 8.3). */
export interface CipherKey {
  /** From 1, growing. */
  readonly number: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** Encrypts what goes to disk, bound to its place: moved elsewhere it does not open. */
export interface RecordCipher {
  /** Number of the key that seals what is new. */
  readonly current: number;
  has(keyNumber: number): boolean;
  /** Nonce, ciphertext and tag. */
  seal(plain: Uint8Array, place: Uint8Array): Buffer;
  /** Undefined when the key, the place or the bytes are not those of {@link seal}. */
  open(keyNumber: number, sealed: Uint8Array, place: Uint8Array): Buffer | undefined;
}

/** AES-256-GCM under the newest of the keys, which come oldest first. */
export function recordCipher(keys: readonly CipherKey[], random: Random): RecordCipher {
  const newest = keys.at(-1);
  invariant(newest !== undefined, 'a cipher has a key');
  for (const { number, key } of keys) {
    invariant(number > 0, 'keys are numbered from 1', { number });
    invariant(key.length === keyBytes, 'a key of the log has 32 bytes', { length: key.length });
  }
  // Prepared once: turning bytes into a key was half the cost of sealing a small frame.
  const byNumber = new Map(keys.map(({ number, key }) => [number, createSecretKey(key)]));
  const sealingKey = createSecretKey(newest.key);
  const options = { authTagLength: tagBytes } as const;
  const nonces = new Nonces(random);
  return {
    current: newest.number,
    has: (keyNumber) => byNumber.has(keyNumber),
    seal(plain, place) {
      const nonce = nonces.next();
      const sealer = createCipheriv(algorithm, sealingKey, nonce, options);
      sealer.setAAD(place);
      return Buffer.concat([nonce, sealer.update(plain), sealer.final(), sealer.getAuthTag()]);
    },
    open(keyNumber, sealed, place) {
      const key = byNumber.get(keyNumber);
      if (key === undefined || sealed.length < sealingBytes) return undefined;
      const opener = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), options);
      opener.setAAD(place);
      opener.setAuthTag(sealed.subarray(sealed.length - tagBytes));
      try {
        const body = sealed.subarray(nonceBytes, sealed.length - tagBytes);
        return Buffer.concat([opener.update(body), opener.final()]);
      } catch {
        return undefined;
      }
    },
  };
}

/** Random nonces, each given once. Many are made at a time: one request for chance costs more than sealing. */
class Nonces {
  readonly #random: Random;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): Uint8Array {
    if (this.#at === this.#bytes.length) {
      this.#bytes = this.#random.bytes(noncesAtOnce * nonceBytes);
      this.#at = 0;
    }
    this.#at += nonceBytes;
    return this.#bytes.subarray(this.#at - nonceBytes, this.#at);
  }
}

/** The numbers that say where something stands, as bytes to bind it to. */
export function placeOf(...numbers: readonly number[]): Buffer {
  const place = Buffer.alloc(8 * numbers.length);
  for (const [at, number] of numbers.entries()) place.writeDoubleLE(number, 8 * at);
  return place;
}
