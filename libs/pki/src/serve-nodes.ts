import { type Server, ServerCredentials } from '@grpc/grpc-js';
import type { Clock, ConnectionLimits, HostPort } from '@shoal/runtime';
import type { CertificateSource } from './certificate-source.ts';
import { callOf, closeServer, requireRole } from './grpc.ts';
import { listenSecurely } from './secure-listener.ts';

/** Time for calls to end by themselves when a server closes, milliseconds. */
const closeMsMax = 500;
const grpcProtocol = 'h2';

export interface ServeNodesOptions {
  readonly address: HostPort;
  /** What proves this node, and whom it trusts. */
  readonly source: CertificateSource;
  readonly clusterId: string;
  readonly limits: ConnectionLimits;
  readonly clock: Pick<Clock, 'after'>;
}

export interface NodeServer {
  /** Where it really listens. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves gRPC to who shows a certificate of the cluster, with bounds on connections. Each call still has to look at
 * whose it is.
 * @throws when the address is taken or not one of this host.
 */
export async function serveNodes(server: Server, options: ServeNodesOptions): Promise<NodeServer> {
  const { address, source, clusterId, limits, clock } = options;
  // The connections it is given are secure already.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await listenSecurely({
    address,
    source,
    client: 'required',
    provenNode: (socket) => {
      const allowed = requireRole(callOf(socket), clusterId, 'worker', 'manager');
      return allowed.kind === 'peer' ? allowed.peer.nodeId : undefined;
    },
    protocols: { [grpcProtocol]: (socket) => injector.injectConnection(socket) },
    limits,
  });
  const close = async (): Promise<void> => {
    listener.close();
    await closeServer(server, clock, closeMsMax);
    listener.destroy();
  };
  return { port: listener.port, close };
}
