import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { errorMessage } from '@shoal/runtime';

/** Paths of PEM files, by the flags that name them. */
export interface TlsFiles {
  readonly tlscert: string;
  readonly tlskey: string;
  /** Who issues the certificates that clients must have; where it is absent they need none. */
  readonly tlscacert: string | undefined;
}

/** What stands in the files, as the TLS of Node.js takes it. */
export interface Certificates {
  /** The server's, with those between it and its authority. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

export type CertificatesRead =
  | { readonly kind: 'read'; readonly certificates: Certificates }
  /** One sentence for a person: which file, what is wrong, what would mend it. */
  | { readonly kind: 'refused'; readonly message: string };

type FileFlag = keyof TlsFiles;
type Outcome<T> =
  | { readonly kind: 'good'; readonly value: T }
  | Extract<CertificatesRead, { readonly kind: 'refused' }>;

const certificateForm = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
/** Of a key, in the newer and in the older form. */
const lockedForm = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;

/** Reads the files and makes sure that a server can be made of them. Never throws. */
export async function readCertificates(files: TlsFiles): Promise<CertificatesRead> {
  const cert = await readText('tlscert', files.tlscert);
  if (cert.kind === 'refused') return cert;
  const key = await readText('tlskey', files.tlskey);
  if (key.kind === 'refused') return key;
  const leaf = firstCertificate('tlscert', files.tlscert, cert.value);
  if (leaf.kind === 'refused') return leaf;
  const own = privateKey(files.tlskey, key.value);
  if (own.kind === 'refused') return own;
  if (!leaf.value.checkPrivateKey(own.value)) {
    return refused(
      `${shown('tlskey', files.tlskey)} is not the key of the certificate in ${shown('tlscert', files.tlscert)}: give the two that were made together`,
    );
  }
  const ca = await readAuthority(files.tlscacert);
  if (ca.kind === 'refused') return ca;
  const certificates = { cert: cert.value, key: key.value, ca: ca.value };
  try {
    createSecureContext(certificates);
  } catch (error) {
    return refused(
      `${shown('tlscert', files.tlscert)} does not do for TLS: ${errorMessage(error)}; make a new key and certificate`,
    );
  }
  return { kind: 'read', certificates };
}

/** Node.js passes over what is no certificate: nobody would be let in, without a word why. */
async function readAuthority(path: string | undefined): Promise<Outcome<string | undefined>> {
  if (path === undefined) return { kind: 'good', value: undefined };
  const text = await readText('tlscacert', path);
  if (text.kind === 'refused') return text;
  const first = firstCertificate('tlscacert', path, text.value);
  return first.kind === 'refused' ? first : text;
}

async function readText(flag: FileFlag, path: string): Promise<Outcome<string>> {
  try {
    return { kind: 'good', value: await readFile(path, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const [why, mend] = unreadable.get(code) ?? [errorMessage(error), 'give another file'];
    return refused(`${shown(flag, path)} cannot be read: ${why}; ${mend}`);
  }
}

/** Why, and what would mend it. */
const unreadable: ReadonlyMap<string, readonly [string, string]> = new Map([
  ['ENOENT', ['there is no such file', 'give the path of a PEM file, seen from this process']],
  ['EACCES', ['this process may not', 'give its user the right to read the file']],
  ['EISDIR', ['it is a folder', 'give the path of a PEM file']],
]);

/** All in the file must be certificates; the first is the one that counts. */
function firstCertificate(flag: FileFlag, path: string, text: string): Outcome<X509Certificate> {
  try {
    const [first] = (text.match(certificateForm) ?? []).map((one) => new X509Certificate(one));
    if (first !== undefined) return { kind: 'good', value: first };
    return refused(
      `${shown(flag, path)} holds no certificate: give a PEM file that has a line -----BEGIN CERTIFICATE-----`,
    );
  } catch (error) {
    return refused(
      `${shown(flag, path)} holds a damaged certificate (${errorMessage(error)}): copy or make it again`,
    );
  }
}

function privateKey(path: string, text: string): Outcome<KeyObject> {
  try {
    return { kind: 'good', value: createPrivateKey(text) };
  } catch {
    return refused(
      lockedForm.test(text)
        ? `${shown('tlskey', path)} is locked with a passphrase, which a server cannot be asked for: unlock it with openssl pkey -in ${path} -out unlocked.pem`
        : `${shown('tlskey', path)} holds no private key: give a PEM file that has a line -----BEGIN PRIVATE KEY-----`,
    );
  }
}

function shown(flag: FileFlag, path: string): string {
  return `--${flag}=${path}`;
}

function refused(message: string): { readonly kind: 'refused'; readonly message: string } {
  return { kind: 'refused', message };
}
