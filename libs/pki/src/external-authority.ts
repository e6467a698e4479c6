import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type Clock, within } from '@shoal/runtime';
import type { ExternalCa } from '@shoal/state';
import {
  badRequest,
  type ClusterCa,
  caName,
  type Issued,
  type NodeSubject,
  namesOf,
} from './authority.ts';
import type { Proof } from './certificate-source.ts';
import { askToSign, type SignAnswer, type SignRequest } from './cfssl.ts';
import { certificatesOf, isIssuedBy, isTrusted } from './chain.ts';
import { roleUnit } from './role.ts';
import { requestedKey, signingKeyOf } from './signing-key.ts';
import { subjectOf } from './subject.ts';
import { loadX509 } from './x509.ts';

/** The profile that CFSSL is asked for when it certifies a root; Swarm's. */
const crossSignProfile = 'CA';
const basicConstraints = '2.5.29.19';
/** So long one authority may say nothing before the next is asked beside it, milliseconds. */
const silentMsMax = 1_000;
/** An authority's clock may be ahead so much, milliseconds: who asked waits no longer for the certificate's time. */
const clockAheadMsMax = 60_000;

export type ExternallyIssued =
  | Issued
  /** No authority answers as it should; may be otherwise later. */
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Who is asked, in which name. */
export interface ExternalAuthorities {
  readonly urls: readonly string[];
  /** The root (PEM) that they sign for. */
  readonly root: string;
  /** The asking manager's: its certificate is shown to them, and they must prove themselves by its trust roots. */
  readonly proof: Proof;
  readonly clock: Clock;
}

/**
 * The URLs of those authorities that sign for this root (PEM), in the order of the spec. One that names no root signs
 * for the present one of the cluster, also while that gives way to another.
 */
export function externalUrls(
  cas: readonly ExternalCa[] | undefined,
  root: string,
  present: string,
): string[] {
  return (cas ?? [])
    .filter(({ CACert = '' }) => isSameRoot(CACert.trim() === '' ? present : CACert, root))
    .map(({ URL: url }) => url);
}

/** Whether both are of one certificate, whatever headings and line ends their texts have. */
function isSameRoot(one: string, other: string): boolean {
  try {
    return new X509Certificate(one).raw.equals(new X509Certificate(other).raw);
  } catch {
    return one.trim() === other.trim();
  }
}

/**
 * Has a node certificate (PEM, with what leads from it to the root) issued by the first external authority
 * that does so. What comes back is checked as if nobody knew the authority: it must be for this node, its
 * key and its role, and lead to the root.
 */
export async function issueExternally(options: {
  readonly authorities: ExternalAuthorities;
  /** PKCS #10, PEM. */
  readonly request: string;
  readonly subject: NodeSubject;
}): Promise<ExternallyIssued> {
  const { authorities, request, subject } = options;
  const requested = await requestedKey(request);
  if (requested === undefined) return badRequest;
  const { nodeId, role, clusterId } = subject;
  const body = {
    hosts: namesOf(subject),
    certificate_request: request,
    subject: { CN: nodeId, names: [{ OU: roleUnit(role), O: clusterId }] },
  };
  return askAll(authorities, body, (certificate) =>
    nodeProblem(certificate, requested.key, subject, authorities),
  );
}

/** Has the fresh root's key certified by the external authorities of the old root; see `crossSign`. */
export async function crossSignExternally(options: {
  /** Their root is the old one. */
  readonly authorities: ExternalAuthorities;
  readonly fresh: ClusterCa;
}): Promise<ExternallyIssued> {
  const { authorities, fresh } = options;
  const x509 = await loadX509();
  const root = new x509.X509Certificate(fresh.certificate);
  const { signingKey, signingAlgorithm } = await signingKeyOf(fresh.key);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: root.subjectName,
    keys: { privateKey: signingKey, publicKey: await root.publicKey.export() },
    signingAlgorithm,
  });
  // CFSSL takes no extensions from a request, only those that stand beside it.
  const extensions = root.extensions
    .filter(({ type }) => type === basicConstraints)
    .map(({ type, critical, value }) => {
      return { id: type, critical, value: Buffer.from(value).toString('hex') };
    });
  const body = {
    hosts: [],
    certificate_request: `${request.toString('pem')}\n`,
    subject: { CN: root.subjectName.getField('CN')[0] ?? caName, names: [] },
    profile: crossSignProfile,
    extensions,
  };
  return askAll(authorities, body, (certificate) =>
    crossSignedProblem(certificate, fresh.certificate, authorities.root),
  );
}

const nobody: ExternallyIssued = {
  kind: 'unavailable',
  reason: 'no external CA signs for this root',
};

/**
 * In order, the next one as soon as the one before does not sign, or says nothing for a while: who asks for a
 * certificate does not wait for several that are silent. What the last one said counts when none signs.
 */
async function askAll(
  { urls, proof, clock }: ExternalAuthorities,
  body: SignRequest,
  problem: (certificate: string) => string | undefined,
): Promise<ExternallyIssued> {
  const issued = Promise.withResolvers<ExternallyIssued>();
  const asked: Promise<ExternallyIssued>[] = [];
  for (const [at, url] of urls.entries()) {
    const answer = askToSign(url, body, proof, clock).then((told) => judged(told, problem));
    asked.push(answer);
    answer.then(
      (outcome) => outcome.kind === 'issued' && issued.resolve(outcome),
      () => undefined,
    );
    if (at === urls.length - 1) break;
    const early = await Promise.race([within(clock, silentMsMax, answer), issued.promise]);
    if (early?.kind === 'issued') return early;
  }
  const all = Promise.all(asked).then((outcomes) => outcomes.at(-1) ?? nobody);
  return Promise.race([issued.promise, all]);
}

function judged(
  answer: SignAnswer,
  problem: (certificate: string) => string | undefined,
): ExternallyIssued {
  if (answer.kind !== 'signed') return answer;
  const reason = problem(answer.certificate);
  if (reason !== undefined)
    return { kind: 'refused', reason: `what the external CA signed is not usable: ${reason}` };
  const certificate = certificatesOf(answer.certificate).join('');
  return { kind: 'issued', certificate };
}

function nodeProblem(
  text: string,
  key: KeyObject,
  subject: NodeSubject,
  { root, clock }: ExternalAuthorities,
): string | undefined {
  const leaf = firstOf(text);
  if (leaf === undefined) return 'it is no certificate';
  if (!leaf.publicKey.equals(key)) return 'it is for another key';
  if (!isTrusted(text, root)) return "it does not lead to the swarm's root";
  if (leaf.ca) return 'it is one of an authority';
  const now = clock.now();
  // The node would give one that is valid away for it.
  if (now + clockAheadMsMax < leaf.validFromDate.getTime() || now >= leaf.validToDate.getTime())
    return `it is not valid at this time (${leaf.validFrom} to ${leaf.validTo})`;
  const is = subjectOf(leaf.raw);
  if (
    is?.nodeId !== subject.nodeId ||
    is.role !== subject.role ||
    is.clusterId !== subject.clusterId
  )
    return `it names another subject (${leaf.subject.replaceAll('\n', ', ')})`;
  const missing = namesOf(subject).find((name) => leaf.checkHost(name) === undefined);
  return missing === undefined ? undefined : `it lacks the DNS name ${missing}`;
}

function crossSignedProblem(text: string, fresh: string, root: string): string | undefined {
  const certificate = firstOf(text);
  if (certificate === undefined) return 'it is no certificate';
  const wanted = new X509Certificate(fresh);
  if (!certificate.publicKey.equals(createPublicKey(fresh))) return 'it is for another key';
  if (certificate.subject !== wanted.subject) return 'it has another subject than the root';
  if (!certificate.ca) return 'it is not one of an authority';
  return isIssuedBy(certificate, new X509Certificate(root))
    ? undefined
    : 'it was not issued by the old root';
}

function firstOf(text: string): X509Certificate | undefined {
  try {
    return certificatesOf(text)[0];
  } catch {
    return undefined;
  }
}
