import { createPrivateKey, sign, verify } from 'node:crypto';
import type { NodeSubject } from './authority.ts';
import { certificatesOf, isTrusted } from './chain.ts';
import { subjectOf } from './subject.ts';

/** A node's last certificate, and its key's signature under the request for the next. */
export interface RenewalProof {
  /** PEM chain. */
  readonly certificate: string;
  readonly signature: Uint8Array;
}

const context = 'shoal renewal 1\0';

/** Proves that who asks for a certificate has the key of this one. */
export function proveRenewal(
  identity: { readonly certificate: string; readonly key: string },
  request: string,
): RenewalProof {
  const { certificate, key } = identity;
  const signature = sign('sha256', Buffer.from(context + request), createPrivateKey(key));
  return { certificate, signature };
}

/**
 * Whom the proof proves: a node whose certificate one of the roots issued, at whatever time, and who has its
 * key. A proof that is shown again gives nobody anything: what is issued fits the key of the request.
 */
export function provenNode(
  proof: RenewalProof,
  request: string,
  trustRoots: string,
): NodeSubject | undefined {
  try {
    const [leaf] = certificatesOf(proof.certificate);
    if (leaf === undefined || !isTrusted(proof.certificate, trustRoots)) return undefined;
    const signed = Buffer.from(context + request);
    if (!verify('sha256', signed, leaf.publicKey, proof.signature)) return undefined;
    return subjectOf(leaf.raw);
  } catch {
    return undefined;
  }
}
