import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  createServer as createTlsServer,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import type { CertificateSource } from '@shoal/pki';
import { type Clock, ConnectionPlaces, type Logger, type Timer } from '@shoal/runtime';
import {
  connectionsMax,
  idleMsMax,
  keepAliveMs,
  openingMsMax as openingMsDefault,
  peerConnectionsMax,
  strangersMax,
  strangersPerAddressMax,
} from './limits.ts';
import type { LinkMetrics } from './metrics.ts';
import { provenNode } from './proven-node.ts';
import { refusal, refusalBytes } from './refusal.ts';
import type { LinkPeer, LinkRoute } from './route.ts';

export interface HostLinkOptions {
  /** What proves this node, and whom it trusts. A renewal counts for every handshake after it. */
  readonly source: CertificateSource;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: LinkMetrics;
  /** Longest wait for proof and request, milliseconds. */
  readonly openingMsMax?: number;
}

/** A connection that has not asked for anything yet. */
interface Opening {
  readonly socket: Socket;
  readonly late: Timer;
}

/**
 * What a host answers to other hosts of its cluster: HTTP/1.1 over mutual TLS on connections that somebody
 * else accepted.
 */
export class HostLink {
  readonly #options: HostLinkOptions;
  readonly #routes = new Map<string, LinkRoute>();
  /** Never listen; they are given their connections. */
  readonly #tls: TlsServer;
  readonly #http: Server;
  readonly #forgetRenewals: () => void;
  readonly #open = new Map<string, Opening>();
  readonly #places = new ConnectionPlaces<string>({
    provedMax: connectionsMax,
    strangersMax,
    strangersPerAddressMax,
  });
  readonly #peers = new WeakMap<Duplex, LinkPeer>();
  /** Connections by the node that has them. */
  readonly #held = new Map<string, number>();
  #closed = false;

  constructor(options: HostLinkOptions) {
    this.#options = options;
    const { source } = options;
    this.#tls = createTlsServer({
      ...contextOf(source),
      requestCert: true,
      rejectUnauthorized: true,
    });
    this.#forgetRenewals = source.onChange(() => this.#tls.setSecureContext(contextOf(source)));
    this.#tls.on('secureConnection', (socket) => this.#proven(socket));
    this.#tls.on('tlsClientError', (_error, socket) => {
      options.metrics.refused('not-proven');
      socket.destroy();
    });
    const timeouts = { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: idleMsMax };
    this.#http = createServer(timeouts);
    // Who has said all is answered. The property is missing in the types.
    Object.assign(this.#http, { httpAllowHalfOpen: true });
    this.#http.on('request', (request, response) => this.#requested(request, response));
    this.#http.on('upgrade', (request, socket, head) => this.#upgraded(request, socket, head));
  }

  /** Adds a route: paths below its root are served by it from here on. */
  add(route: LinkRoute): void {
    this.#routes.set(route.root, route);
  }

  /** Takes over a connection of which `firstBytes` have been read: the beginning of a TLS handshake. */
  accept(socket: Socket, firstBytes: Buffer): void {
    const { clock, metrics, openingMsMax = openingMsDefault } = this.#options;
    socket.on('error', () => socket.destroy());
    const key = keyOf(socket);
    if (this.#closed || key === undefined) {
      socket.destroy();
      return;
    }
    const late = clock.after(openingMsMax, () => {
      metrics.refused('late');
      socket.destroy();
    });
    const opening: Opening = { socket, late };
    this.#open.set(key, opening);
    this.#giveWay(this.#places.begun(key, socket.remoteAddress ?? ''));
    metrics.connections(this.#open.size);
    socket.once('close', () => this.#left(key, opening));
    // A stream that ends one way may go on the other way.
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    socket.unshift(firstBytes);
    this.#tls.emit('connection', socket);
  }

  /** Ends every connection at once. */
  close(): void {
    this.#closed = true;
    this.#forgetRenewals();
    for (const { socket } of this.#open.values()) socket.destroy();
  }

  #giveWay(key: string | undefined): void {
    if (key === undefined) return;
    this.#options.metrics.refused('too-many');
    this.#open.get(key)?.socket.destroy();
  }

  #left(key: string, opening: Opening): void {
    opening.late.cancel();
    // Its ports may be another one's by then.
    if (this.#open.get(key) !== opening) return;
    this.#places.ended(key);
    this.#open.delete(key);
    this.#options.metrics.connections(this.#open.size);
  }

  /** The certificate was issued by a root of the cluster: whose is it? */
  #proven(socket: TLSSocket): void {
    const { clusterId, metrics, logger } = this.#options;
    socket.on('error', () => socket.destroy());
    const key = keyOf(socket) ?? '';
    const node = provenNode(socket.getPeerCertificate(), clusterId);
    if (!this.#open.has(key) || node === undefined) {
      metrics.refused('not-proven');
      logger.warn({ from: socket.remoteAddress }, 'link_not_proven');
      socket.destroy();
      return;
    }
    const { nodeId, role } = node;
    const held = this.#held.get(nodeId) ?? 0;
    if (held >= peerConnectionsMax || !this.#places.proved(key, nodeId)) {
      metrics.refused('too-many');
      socket.end(refusalBytes(503, `${nodeId} has too many connections to this host`));
      return;
    }
    this.#held.set(nodeId, held + 1);
    socket.once('close', () => this.#released(nodeId));
    this.#peers.set(socket, { nodeId, role });
    this.#http.emit('connection', socket);
  }

  #released(nodeId: string): void {
    const left = (this.#held.get(nodeId) ?? 1) - 1;
    if (left === 0) this.#held.delete(nodeId);
    else this.#held.set(nodeId, left);
  }

  #requested(request: IncomingMessage, response: ServerResponse): void {
    const found = this.#find(request);
    if (found.kind === 'refused') refusal(response, found.status, found.message);
    else found.route.handler.request(found.peer, request, response);
  }

  #upgraded(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const found = this.#find(request);
    if (found.kind === 'refused') {
      socket.end(refusalBytes(found.status, found.message));
      return;
    }
    const { route, peer } = found;
    if (route.handler.upgrade === undefined)
      socket.end(refusalBytes(400, `/${route.root} does not change the protocol`));
    else route.handler.upgrade(peer, request, socket, head);
  }

  #find(request: IncomingMessage): Found {
    const { metrics } = this.#options;
    const { socket, url = '/' } = request;
    this.#open.get(keyOf(socket) ?? '')?.late.cancel();
    const peer = this.#peers.get(socket);
    const root = rootForm.exec(url)?.[1] ?? '';
    const route = this.#routes.get(root);
    if (peer === undefined || route === undefined) {
      metrics.refused('unknown-path');
      return { kind: 'refused', status: 404, message: `this host answers nothing at /${root}` };
    }
    if (!route.roles.includes(peer.role)) {
      metrics.refused('role');
      const message = `${peer.nodeId} is a ${peer.role}; /${root} is for a ${route.roles.join(' or ')}`;
      return { kind: 'refused', status: 403, message };
    }
    metrics.served(root);
    return { kind: 'route', route, peer };
  }
}

type Found =
  | { readonly kind: 'route'; readonly route: LinkRoute; readonly peer: LinkPeer }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string };

/** The first segment of a path, after the version of Docker's API where it has one. */
const rootForm = /^(?:\/v\d+\.\d+)?\/([^/?]*)/;

/** With the version: a context that is set anew keeps nothing of the one before. */
function contextOf(source: CertificateSource) {
  const { caCertificate: ca, certificate: cert, key } = source.current();
  return { ca, cert, key, minVersion: 'TLSv1.3' as const };
}

/** Names a connection and the TLS socket made of it alike; undefined when it is gone already. */
function keyOf(socket: Socket): string | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
