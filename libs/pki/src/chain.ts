import { X509Certificate } from 'node:crypto';

const begin = '-----BEGIN CERTIFICATE-----';
const end = '-----END CERTIFICATE-----';
/** The node's own, and a root's key certified by another root. */
const chainMax = 4;

/** The certificates in a PEM text, in their order; at most {@link chainMax} are looked at. */
export function certificatesOf(pem: string): readonly X509Certificate[] {
  const found: X509Certificate[] = [];
  // Strangers send such texts: each character is looked at once, whatever the text.
  for (let from = pem.indexOf(begin); from >= 0 && found.length < chainMax; ) {
    const last = pem.indexOf(end, from);
    if (last < 0) break;
    const to = last + end.length;
    found.push(new X509Certificate(pem.slice(from, to)));
    from = pem.indexOf(begin, to);
  }
  return found;
}

/**
 * Whether the first certificate of `chain` leads to one of the trust roots, through the others of the chain
 * where needed. Signatures and names only: the time of day is for others to judge.
 */
export function isTrusted(chain: string, trustRoots: string): boolean {
  const [leaf, ...between] = certificatesOf(chain);
  if (leaf === undefined) return false;
  const roots = certificatesOf(trustRoots);
  return (
    roots.some((root) => isIssuedBy(leaf, root)) ||
    between.some(
      (middle) =>
        middle.ca && isIssuedBy(leaf, middle) && roots.some((root) => isIssuedBy(middle, root)),
    )
  );
}

export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
