import {
  type ChannelCredentials,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import {
  CertificateAuthorityClient,
  type IssueRequest,
  type IssueResponse,
  type TrustRootResponse,
} from '@shoal/proto';
import { type Clock, errorMessage, pause } from '@shoal/runtime';
import { createNodeKey } from './authority.ts';
import { channelOptions } from './grpc.ts';
import type { ManagerAddress } from './identity.ts';
import { tokenPins } from './join-token.ts';
import { proveRenewal } from './renewal-proof.ts';
import type { NodeRole } from './role.ts';

/** Tries of all managers before giving up, and the pause between them; as Swarm. */
const triesMax = 5;
const pauseMs = 2_000;
/** Longest wait for one answer, milliseconds. */
const answerMsMax = 10_000;

/** Clocks that are no further apart have nothing to do with what is not valid. */
const clockSecondsMax = 60;

export type CertificateProof =
  | {
      readonly kind: 'token';
      readonly token: string;
      readonly availability: string;
      readonly hostname: string;
    }
  | {
      readonly kind: 'renewal';
      readonly certificate: string;
      readonly key: string;
      readonly trustRoots: string;
    };

/** A voter as the authority names it. */
export interface KnownVoter {
  readonly id: number;
  readonly nodeId: string;
  readonly addr: string;
}

export interface ObtainedCertificate {
  readonly kind: 'issued';
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
  /** PEM chain. */
  readonly certificate: string;
  /** PKCS #8 PEM; made here and known to nobody else. */
  readonly key: string;
  readonly trustRoots: string;
  readonly sealKey: Buffer | undefined;
  readonly voters: readonly KnownVoter[];
  readonly managers: readonly ManagerAddress[];
  /** How far the manager's clock is ahead of this host's, milliseconds. */
  readonly clockAheadMs: number;
}

export type CertificateOutcome =
  | ObtainedCertificate
  | {
      readonly kind: 'failed';
      /**
       * - `unreachable`: no manager answers; may be otherwise later.
       * - `fingerprint`: the manager is not of the cluster that the token is for.
       * - `clock`: this host's clock is so wrong that the manager's certificate is not valid to it.
       * - `refused`: the cluster says no.
       */
      readonly code: 'unreachable' | 'fingerprint' | 'clock' | 'refused';
      /** One sentence for people. */
      readonly message: string;
    };

type Failed = Extract<CertificateOutcome, { kind: 'failed' }>;

/**
 * Gets a certificate from one of the managers at `addresses` (`host:port`): for a host that joins, by token,
 * or for a node, by its last certificate. Tries all of them {@link triesMax} times while none can be reached.
 */
export async function requestCertificate(options: {
  readonly addresses: readonly string[];
  readonly proof: CertificateProof;
  readonly clock: Clock;
  readonly tries?: number;
}): Promise<CertificateOutcome> {
  const { addresses, proof, clock, tries = triesMax } = options;
  let failed: Failed = {
    kind: 'failed',
    code: 'unreachable',
    message: 'no manager of the cluster is known',
  };
  for (let attempt = 0; attempt < tries; attempt += 1) {
    if (attempt > 0) await pause(clock, pauseMs);
    for (const address of addresses) {
      const outcome = await askOne(address, proof, clock);
      if (outcome.kind === 'issued' || isFinal(outcome)) return outcome;
      // A clock that is wrong says more than a manager that is away.
      if (failed.code !== 'clock') failed = outcome;
    }
    if (failed.code === 'clock') return failed;
  }
  return failed;
}

/** Another manager would say the same. */
function isFinal({ code }: Failed): boolean {
  return code === 'refused' || code === 'fingerprint';
}

async function askOne(
  address: string,
  proof: CertificateProof,
  clock: Clock,
): Promise<CertificateOutcome> {
  const shown = await showRoots(address, clock);
  if (shown.kind === 'failed') return shown;
  const { certificates, timeMs } = shown.response;
  const clockAheadMs = timeMs - clock.now();
  if (proof.kind === 'token' && !tokenPins(proof.token, certificates))
    return failure(
      'fingerprint',
      `remote CA does not match fingerprint: the manager at ${address} is not of the cluster that the join token is for`,
    );
  const trusted = proof.kind === 'token' ? certificates : proof.trustRoots;
  const { key, request } = await createNodeKey();
  const client = clientFor(address, credentials.createSsl(Buffer.from(trusted)));
  try {
    const response = await call<IssueResponse>((done) =>
      client.issue(requestOf(proof, request), new Metadata(), { deadline: deadline(clock) }, done),
    );
    return obtained(response, key, clockAheadMs);
  } catch (error) {
    return refusal(error, address, clockAheadMs);
  } finally {
    client.close();
  }
}

/** What the manager says of itself, which nothing proves yet. */
async function showRoots(
  address: string,
  clock: Clock,
): Promise<{ readonly kind: 'shown'; readonly response: TrustRootResponse } | Failed> {
  const unverified = credentials.createSsl(null, null, null, { rejectUnauthorized: false });
  const client = clientFor(address, unverified);
  try {
    const response = await call<TrustRootResponse>((done) =>
      client.trustRoot({}, new Metadata(), { deadline: deadline(clock) }, done),
    );
    return { kind: 'shown', response };
  } catch (error) {
    return refusal(error, address, 0);
  } finally {
    client.close();
  }
}

function clientFor(address: string, channel: ChannelCredentials): CertificateAuthorityClient {
  return new CertificateAuthorityClient(address, channel, {
    ...channelOptions('manager'),
    'grpc.use_local_subchannel_pool': 1,
  });
}

function requestOf(proof: CertificateProof, certificateRequest: string): IssueRequest {
  if (proof.kind === 'token') {
    const { token, availability, hostname } = proof;
    const body = { $case: 'joinToken', value: token } as const;
    return { certificateRequest, proof: body, availability, hostname };
  }
  const { certificate, signature } = proveRenewal(proof, certificateRequest);
  const value = { certificate, signature: Buffer.from(signature) };
  const body = { $case: 'renewal', value } as const;
  return { certificateRequest, proof: body, availability: '', hostname: '' };
}

function obtained(
  response: IssueResponse,
  key: string,
  clockAheadMs: number,
): ObtainedCertificate | Failed {
  const { nodeId, role, clusterId, certificate, trustRoots, sealKey, voters, managers } = response;
  if (role !== 'manager' && role !== 'worker')
    return failure('refused', `the manager gives the role ${JSON.stringify(role)}, which is none`);
  return {
    kind: 'issued',
    nodeId,
    role,
    clusterId,
    certificate,
    key,
    trustRoots,
    sealKey: sealKey.length === 0 ? undefined : sealKey,
    voters,
    managers,
    clockAheadMs,
  };
}

function refusal(error: unknown, address: string, clockAheadMs: number): Failed {
  const { code, details } = error as Partial<ServiceError>;
  const said = details ?? errorMessage(error);
  if (/CERT_NOT_YET_VALID|CERT_HAS_EXPIRED|not yet valid|has expired/i.test(said))
    return failure(
      'clock',
      `the certificate of the manager at ${address} is not valid by this host's clock${clockText(clockAheadMs)}`,
    );
  switch (code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
    case status.RESOURCE_EXHAUSTED:
    case status.UNIMPLEMENTED:
    case undefined:
      return failure('unreachable', `the manager at ${address} does not answer: ${said}`);
    default:
      return failure('refused', said);
  }
}

function clockText(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  if (seconds < clockSecondsMax)
    return ', and the clocks agree: the manager needs another certificate, which it makes by itself when it leads or reaches the others';
  const way = aheadMs > 0 ? 'behind' : 'ahead of';
  return `, which is ${seconds} s ${way} the manager's: set the clock right and try again`;
}

function failure(code: Failed['code'], message: string): Failed {
  return { kind: 'failed', code, message };
}

function call<T>(
  start: (done: (error: ServiceError | null, response: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) =>
    start((error, response) => (error === null ? resolve(response) : reject(error))),
  );
}

function deadline(clock: Clock): Date {
  return new Date(clock.now() + answerMsMax);
}
