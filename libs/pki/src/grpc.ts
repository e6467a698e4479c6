import type { TLSSocket } from 'node:tls';
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  experimental,
  type Server,
  type ServerCredentials,
  type ServerUnaryCall,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import type { Clock } from '@shoal/runtime';
import type { NodeSubject } from './authority.ts';
import {
  type CertificateSource,
  isSource,
  type Proof,
  providerOf,
  RenewableProof,
} from './certificate-source.ts';
import { type NodeRole, roleUnit } from './role.ts';
import { subjectOf } from './subject.ts';

/** What of a server call is needed to know its caller; every kind of call has it. */
type Call = Pick<ServerUnaryCall<unknown, unknown>, 'getAuthContext'>;

/**
 * For a server that talks to nodes of its own cluster. With `required` a client without certificate is
 * refused in the handshake; with `optional` the calls must look, and {@link peerOf} knows only certificates
 * that were verified. A source's renewals count for every later handshake.
 */
export function serverCredentials(
  of: Proof | CertificateSource,
  client: 'required' | 'optional' = 'required',
): ServerCredentials {
  const source = isSource(of) ? of : new RenewableProof(of);
  const provider = providerOf(source);
  const isRequired = client === 'required';
  return experimental.createCertificateProviderServerCredentials(provider, provider, isRequired);
}

/** For a client that proves itself as this node and trusts its cluster's roots only. */
export function channelCredentials(of: Proof | CertificateSource): ChannelCredentials {
  if (isSource(of)) {
    const provider = providerOf(of);
    return experimental.createCertificateProviderChannelCredentials(provider, provider);
  }
  return credentials.createSsl(
    Buffer.from(of.caCertificate),
    Buffer.from(of.key),
    Buffer.from(of.certificate),
  );
}

const keepaliveMs = 5_000;
const reconnectMs = { min: 50, max: 250 } as const;

/**
 * Options for channels to a server of the given role. Addresses are not in certificates: the server
 * must prove the role instead. A connection that went silent is noticed after {@link keepaliveMs} twice.
 */
export function channelOptions(serverRole: NodeRole = 'manager'): ChannelOptions {
  return {
    'grpc.ssl_target_name_override': roleUnit(serverRole),
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
    'grpc.initial_reconnect_backoff_ms': reconnectMs.min,
    'grpc.min_reconnect_backoff_ms': reconnectMs.min,
    'grpc.max_reconnect_backoff_ms': reconnectMs.max,
    // Nodes reach each other directly, whatever proxy the host has for the outside.
    'grpc.enable_http_proxy': 0,
  };
}

const peers = new WeakMap<Call, NodeSubject | null>();

/** Who calls, proved by the verified certificate; null for callers without one of a node. */
export function peerOf(call: Call): NodeSubject | null {
  const known = peers.get(call);
  if (known !== undefined) return known;
  const certificate = call.getAuthContext().sslPeerCertificate;
  const peer = certificate === undefined ? null : (subjectOf(certificate.raw) ?? null);
  peers.set(call, peer);
  return peer;
}

/** A connection in the form in which gRPC shows a call of it: only a certificate that was verified counts. */
export function callOf(socket: TLSSocket): Call {
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
  const context = certificate?.raw === undefined ? {} : { sslPeerCertificate: certificate };
  return { getAuthContext: () => context };
}

export type Authorised =
  | { readonly kind: 'peer'; readonly peer: NodeSubject }
  /** Ready to be given to the call's callback or `emit('error', …)`. */
  | { readonly kind: 'refused'; readonly error: Pick<StatusObject, 'code' | 'details'> & Error };

/** Whether the caller is a node of this cluster in one of these roles. */
export function requireRole(
  call: Call,
  clusterId: string,
  ...roles: readonly NodeRole[]
): Authorised {
  const peer = peerOf(call);
  if (peer === null) return refused(status.UNAUTHENTICATED, 'no certificate of a node was shown');
  if (peer.clusterId !== clusterId) {
    return refused(status.PERMISSION_DENIED, `${peer.nodeId} is of another cluster`);
  }
  if (!roles.includes(peer.role)) {
    return refused(
      status.PERMISSION_DENIED,
      `${peer.nodeId} is a ${peer.role}; this is for a ${roles.join(' or ')}`,
    );
  }
  return { kind: 'peer', peer };
}

function refused(code: status, details: string): Authorised {
  return { kind: 'refused', error: Object.assign(new Error(details), { code, details }) };
}

/** Ends the server once its calls are done, or by force after `graceMs` milliseconds. */
export function closeServer(
  server: Server,
  clock: Pick<Clock, 'after'>,
  graceMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    const forced = clock.after(graceMs, () => {
      server.forceShutdown();
      resolve();
    });
    server.tryShutdown(() => {
      forced.cancel();
      resolve();
    });
  });
}
