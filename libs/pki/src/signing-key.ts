import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import type { AuthorityKeyIdentifierExtension, PublicKey, X509Certificate } from '@peculiar/x509';
import { invariant } from '@shoal/runtime';
import { loadX509 } from './x509.ts';

const rsaBitsMin = 2_048;
const curves: Readonly<Record<string, { readonly namedCurve: string; readonly hash: string }>> = {
  prime256v1: { namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { namedCurve: 'P-384', hash: 'SHA-384' },
  secp521r1: { namedCurve: 'P-521', hash: 'SHA-512' },
};

interface SigningAlgorithm {
  readonly name: string;
  readonly hash: string;
  readonly namedCurve?: string;
}

/** How a key signs; undefined for keys that are too weak or unknown. The rule is Swarm's. */
function algorithmOf(key: KeyObject): SigningAlgorithm | undefined {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const curve = key.asymmetricKeyType === 'ec' ? curves[namedCurve] : undefined;
  if (curve !== undefined) return { name: 'ECDSA', ...curve };
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= rsaBitsMin)
    return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  return undefined;
}

/** Whether a certificate may have this key: ECDSA on P-256, P-384 or P-521, or RSA of 2048 bits or more. */
export function isStrongKey(key: KeyObject): boolean {
  return algorithmOf(key) !== undefined;
}

/** A root's key (PEM) in the form that the certificate library signs with. */
export async function signingKeyOf(pem: string): Promise<{
  readonly signingKey: webcrypto.CryptoKey;
  readonly signingAlgorithm: SigningAlgorithm;
}> {
  const key = createPrivateKey(pem);
  const signingAlgorithm = algorithmOf(key);
  invariant(signingAlgorithm !== undefined, "a root's key is checked before it is taken", {
    type: key.asymmetricKeyType,
  });
  const der = key.export({ format: 'der', type: 'pkcs8' });
  const signingKey = await crypto.subtle.importKey('pkcs8', der, signingAlgorithm, false, ['sign']);
  return { signingKey, signingAlgorithm };
}

/** The key for which a request (PKCS #10, PEM) wants a certificate; undefined when it does not have that key. */
export async function requestedKey(
  request: string,
): Promise<{ readonly forLibrary: PublicKey; readonly key: KeyObject } | undefined> {
  const x509 = await loadX509();
  try {
    const parsed = new x509.Pkcs10CertificateRequest(request);
    if (!(await parsed.verify())) return undefined;
    const der = Buffer.from(parsed.publicKey.rawData);
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    return isStrongKey(key) ? { forLibrary: parsed.publicKey, key } : undefined;
  } catch {
    return undefined;
  }
}

/** Names the issuer's key as the issuer does: authorities compute its identifier in different ways. */
export async function keyIdentifierOf(
  issuer: X509Certificate,
): Promise<AuthorityKeyIdentifierExtension> {
  const x509 = await loadX509();
  const own = issuer.getExtension(x509.SubjectKeyIdentifierExtension);
  return own === null
    ? x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey)
    : new x509.AuthorityKeyIdentifierExtension(own.keyId);
}
