import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { parseHostPort } from '@shoal/runtime';
import { logProtocol } from '../wire/protocol.ts';
import type { VoterCredentials } from './voter-credentials.ts';

/** Connections at once, whether or not they have proved anything; the cluster needs a few for each manager. */
export const connectionsMax = 1_024;
/** A handshake that takes longer is broken off, milliseconds. */
export const handshakeMsMax = 10_000;
const grpcProtocol = 'h2';

/** Where a server listens. */
export interface Listener {
  readonly port: number;
  /** Takes no more connections. */
  close(): void;
  /** Ends every connection at once. */
  destroy(): void;
}

export interface ListenOptions {
  readonly grpc: Server;
  /** Takes connections of the log's own protocol. */
  readonly log: (socket: TLSSocket) => void;
  readonly credentials: VoterCredentials;
  /** `host:port` */
  readonly address: string;
}

/**
 * Listens for gRPC and for the log's own protocol, told apart in the handshake, with a bound on connections.
 * Answers leave at once: the small ones of many callers must not wait for each other's acknowledgement by TCP.
 * @throws when the address is taken or not one of this host.
 */
export function listen({ grpc, log, credentials, address }: ListenOptions): Promise<Listener> {
  const parsed = parseHostPort(address);
  if (parsed === undefined) return Promise.reject(new Error(`${address} is not an address`));
  const { host, port } = parsed;
  // The connections it is given are secure already.
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const open = new Set<Socket>();
  const sockets = createServer({
    ...credentials.server,
    ALPNProtocols: [logProtocol, grpcProtocol],
    // Who asks for a certificate has none yet: callers without one are told apart at each call.
    requestCert: true,
    rejectUnauthorized: false,
    noDelay: true,
    handshakeTimeout: handshakeMsMax,
  });
  const forgetRenewals = credentials.source.onChange(() =>
    sockets.setSecureContext(credentials.server),
  );
  sockets.on('connection', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // A connection that breaks before it is secure has no other listener.
    socket.on('error', () => undefined);
  });
  sockets.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    if (socket.alpnProtocol === logProtocol) log(socket);
    else if (socket.alpnProtocol === grpcProtocol) injector.injectConnection(socket);
    else socket.destroy();
  });
  sockets.maxConnections = connectionsMax;
  const close = (): void => {
    forgetRenewals();
    sockets.close();
  };
  const destroy = (): void => {
    close();
    for (const socket of open) socket.destroy();
  };
  return new Promise((resolve, reject) => {
    sockets.once('error', reject);
    sockets.listen({ host, port }, () => {
      sockets.off('error', reject);
      // Out of file descriptors: the ones that are open go on.
      sockets.on('error', () => undefined);
      const bound = sockets.address();
      const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
      resolve({ port: boundPort, close, destroy });
    });
  });
}
