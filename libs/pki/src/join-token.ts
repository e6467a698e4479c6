import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from '@shoal/runtime';

const secretBytes = 16;
/** 128 bits in base 36. */
const secretDigits = 25;
/** 256 bits in base 36. */
const digestDigits = 50;
const form = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

/**
 * A new join token in Swarm's form, `SWMTKN-1-<digest>-<secret>`: the digest pins the trust root (PEM)
 * that a joining node will be shown, the secret proves that it may join.
 */
export function newJoinToken(caCertificate: string, random: Random): string {
  const secret = base36(Buffer.from(random.bytes(secretBytes)), secretDigits);
  return `SWMTKN-1-${digestOf(caCertificate)}-${secret}`;
}

/** Whether the text has a token's form. */
export function isJoinToken(text: string): boolean {
  return form.test(text);
}

/** Whether a trust root (PEM) shown by an unproven manager is the one that the token pins. */
export function tokenPins(token: string, caCertificate: string): boolean {
  return form.exec(token)?.[1] === digestOf(caCertificate);
}

/** Compares whole tokens in a time that does not depend on where they differ. */
export function sameToken(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}

function digestOf(caCertificate: string): string {
  return base36(createHash('sha256').update(caCertificate).digest(), digestDigits);
}

function base36(bytes: Buffer, digits: number): string {
  return BigInt(`0x${bytes.toString('hex')}`)
    .toString(36)
    .padStart(digits, '0');
}
