import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { type ConnectionLimits, ConnectionPlaces, type HostPort } from '@shoal/runtime';
import type { CertificateSource } from './certificate-source.ts';

/** A handshake that takes longer is broken off, milliseconds. */
const handshakeMsMax = 10_000;

/** A port of this host on which nodes of the cluster prove themselves. */
export interface SecureListener {
  /** Where it really listens. */
  readonly port: number;
  /** Ends every connection of these nodes at once. */
  dismiss(nodes: (nodeId: string) => boolean): void;
  /** Takes no more connections. */
  close(): void;
  /** Ends every connection at once. */
  destroy(): void;
}

export interface SecureListenOptions {
  readonly address: HostPort;
  /** What this node shows and whom it trusts. A renewal counts for every handshake after it. */
  readonly source: CertificateSource;
  /**
   * Whether who shows no certificate that was verified is turned away in the handshake, or told apart later, by
   * what takes its connection.
   */
  readonly client: 'required' | 'optional';
  /** The node that a connection proves to be of; undefined leaves it among the strangers. */
  readonly provenNode: (socket: TLSSocket) => string | undefined;
  /** What takes a connection, by the protocol that the handshake agreed on (ALPN). */
  readonly protocols: Readonly<Record<string, (socket: TLSSocket) => void>>;
  readonly limits: ConnectionLimits;
}

/**
 * Listens with mutual TLS and bounds on connections: whoever proves nothing cannot crowd out who does. Answers
 * leave at once: the small ones of many callers must not wait for each other's acknowledgement by TCP.
 * @throws when the address is taken or not one of this host.
 */
export function listenSecurely(options: SecureListenOptions): Promise<SecureListener> {
  const { address, source, client, protocols } = options;
  const open = new Map<string, Socket>();
  const places = new ConnectionPlaces<string>(options.limits);
  const sockets = createServer({
    ...contextOf(source),
    ALPNProtocols: Object.keys(protocols),
    requestCert: true,
    rejectUnauthorized: client === 'required',
    noDelay: true,
    handshakeTimeout: handshakeMsMax,
  });
  const forgetRenewals = source.onChange(() => sockets.setSecureContext(contextOf(source)));
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
  sockets.on('tlsClientError', (_error, socket) => socket.destroy());
  sockets.on('secureConnection', (socket) => {
    socket.on('error', () => undefined);
    const take = protocols[socket.alpnProtocol || ''];
    const nodeId = options.provenNode(socket);
    const isOver = nodeId !== undefined && !places.proved(keyOf(socket) ?? '', nodeId);
    if (isOver || take === undefined) socket.destroy();
    else take(socket);
  });
  const close = (): void => {
    forgetRenewals();
    sockets.close();
  };
  const listener = {
    dismiss: (nodes: (nodeId: string) => boolean): void => {
      for (const key of places.of(nodes)) open.get(key)?.destroy();
    },
    close,
    destroy: (): void => {
      close();
      for (const socket of open.values()) socket.destroy();
    },
  };
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      forgetRenewals();
      reject(error);
    };
    sockets.once('error', failed);
    sockets.listen({ host: address.host, port: address.port }, () => {
      sockets.off('error', failed);
      // Out of file descriptors: the ones that are open go on.
      sockets.on('error', () => undefined);
      const bound = sockets.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
      resolve({ port, ...listener });
    });
  });
}

function contextOf(source: CertificateSource) {
  const { caCertificate: ca, certificate: cert, key } = source.current();
  return { ca, cert, key, minVersion: 'TLSv1.3' as const };
}

/** Names a connection, alike before and after it is secure; undefined when it is gone already. */
function keyOf({ remoteAddress, remotePort, localAddress }: Socket): string | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
