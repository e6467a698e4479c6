import type { TLSSocket } from 'node:tls';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { callOf, listenSecurely, type SecureListener } from '@shoal/pki';
import { parseHostPort } from '@shoal/runtime';
import { logProtocol } from '../wire/protocol.ts';
import type { Admission, AnyCall } from './admission.ts';
import type { VoterCredentials } from './voter-credentials.ts';

/** Connections of managers at once; the cluster needs a few for each. */
export const connectionsMax = 1_024;
/** Connections that have not proved to be a manager's at once: handshakes, and who asks for a certificate. */
const strangerConnectionsMax = 256;
/** Connections without proof from one address; then the oldest of them gives way. */
export const strangerConnectionsPerAddressMax = 64;
const grpcProtocol = 'h2';

export interface ListenOptions {
  readonly grpc: Server;
  /** Takes connections of the log's own protocol. */
  readonly log: (socket: TLSSocket) => void;
  /** Who is not admitted is a stranger here; each call is judged by itself. */
  readonly admit: (call: AnyCall) => Admission;
  readonly credentials: VoterCredentials;
  /** `host:port` */
  readonly address: string;
}

/**
 * Listens for gRPC and for the log's own protocol, told apart in the handshake, with bounds on connections.
 * @throws when the address is taken or not one of this host.
 */
export async function listen(options: ListenOptions): Promise<SecureListener> {
  const address = parseHostPort(options.address);
  if (address === undefined) throw new Error(`${options.address} is not an address`);
  // The connections it is given are secure already.
  const injector = options.grpc.createConnectionInjector(ServerCredentials.createInsecure());
  return listenSecurely({
    address,
    source: options.credentials.source,
    // Who asks for a certificate has none yet: callers without one are told apart at each call.
    client: 'optional',
    provenNode: (socket) => {
      const admission = options.admit(callOf(socket));
      return admission.kind === 'admitted' ? admission.nodeId : undefined;
    },
    protocols: {
      [logProtocol]: options.log,
      [grpcProtocol]: (socket) => injector.injectConnection(socket),
    },
    limits: {
      provedMax: connectionsMax,
      strangersMax: strangerConnectionsMax,
      strangersPerAddressMax: strangerConnectionsPerAddressMax,
    },
  });
}
