import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { ConnectionPlaces, parseHostPort } from '@shoal/runtime';
import { logProtocol } from '../wire/protocol.ts';
import { type Admission, type AnyCall, callOf } from './admission.ts';
import type { VoterCredentials } from './voter-credentials.ts';

/** Connections of managers at once; the cluster needs a few for each. */
export const connectionsMax = 1_024;
/** Connections that have not proved to be a manager's at once: handshakes, and who asks for a certificate. */
const strangerConnectionsMax = 256;
/** Connections without proof from one address; then the oldest of them gives way. */
export const strangerConnectionsPerAddressMax = 64;
/** A handshake that takes longer is broken off, milliseconds. */
const handshakeMsMax = 10_000;
const grpcProtocol = 'h2';

/** Where a server listens. */
export interface Listener {
  readonly port: number;
  /** Ends every connection of these managers at once. */
  dismiss(nodes: (nodeId: string) => boolean): void;
  /** Takes no more connections. */
  close(): void;
  /** Ends every connection at once. */
  destroy(): void;
}

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
 * Answers leave at once: the small ones of many callers must not wait for each other's acknowledgement by TCP.
 * @throws when the address is taken or not one of this host.
 */
export function listen({
  grpc,
  log,
  admit,
  credentials,
  address,
}: ListenOptions): Promise<Listener> {
  const parsed = parseHostPort(address);
  if (parsed === undefined) return Promise.reject(new Error(`${address} is not an address`));
  const { host, port } = parsed;
  // The connections it is given are secure already.
  const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
  const open = new Map<string, Socket>();
  const places = new ConnectionPlaces<string>({
    provedMax: connectionsMax,
    strangersMax: strangerConnectionsMax,
    strangersPerAddressMax: strangerConnectionsPerAddressMax,
  });
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
    // A connection that breaks before it is secure has no other listener.
    socket.on('error', () => undefined);
    const key = keyOf(socket);
    if (key === undefined) {
      socket.destroy();
      return;
    }
    open.set(key, socket);
    socket.on('close', () => {
      // Its ports may be another one's by then.
      if (open.get(key) !== socket) return;
      open.delete(key);
      places.ended(key);
    });
    open.get(places.begun(key, socket.remoteAddress ?? '') ?? '')?.destroy();
  });
  sockets.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    const admission = admit(callOf(socket));
    const isManager = admission.kind === 'admitted';
    if (isManager && !places.proved(keyOf(socket) ?? '', admission.nodeId)) socket.destroy();
    else if (socket.alpnProtocol === logProtocol) log(socket);
    else if (socket.alpnProtocol === grpcProtocol) injector.injectConnection(socket);
    else socket.destroy();
  });
  const dismiss = (nodes: (nodeId: string) => boolean): void => {
    for (const key of places.of(nodes)) open.get(key)?.destroy();
  };
  const close = (): void => {
    forgetRenewals();
    sockets.close();
  };
  const destroy = (): void => {
    close();
    for (const socket of open.values()) socket.destroy();
  };
  return new Promise((resolve, reject) => {
    sockets.once('error', reject);
    sockets.listen({ host, port }, () => {
      sockets.off('error', reject);
      // Out of file descriptors: the ones that are open go on.
      sockets.on('error', () => undefined);
      const bound = sockets.address();
      const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
      resolve({ port: boundPort, dismiss, close, destroy });
    });
  });
}

/** Names a connection, alike before and after it is secure; undefined when it is gone already. */
function keyOf({ remoteAddress, remotePort, localAddress }: Socket): string | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
