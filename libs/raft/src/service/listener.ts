import { createServer, type Socket, type Server as SocketServer } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import { parseHostPort } from '@shoal/runtime';

/** Connections at once, whether or not they have proved anything; the cluster needs a few for each manager. */
export const connectionsMax = 1_024;

/** Where a server listens. */
export interface Listener {
  readonly port: number;
  /** Takes no more connections. */
  close(): void;
  /** Ends every connection at once. */
  destroy(): void;
}

/**
 * Listens for a gRPC server with a bound on connections. Answers leave at once: the small ones of
 * many callers must not wait for each other's acknowledgement by TCP.
 * @throws when the address is taken or not one of this host.
 */
export function listen(
  server: Server,
  credentials: ServerCredentials,
  address: string,
): Promise<Listener> {
  const parsed = parseHostPort(address);
  if (parsed === undefined) return Promise.reject(new Error(`${address} is not an address`));
  const { host, port } = parsed;
  const injector = server.createConnectionInjector(credentials);
  const open = new Set<Socket>();
  const sockets: SocketServer = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    // A connection that breaks before it is secure has no other listener.
    socket.on('error', () => undefined);
    injector.injectConnection(socket);
  });
  sockets.maxConnections = connectionsMax;
  const close = (): void => void sockets.close();
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
