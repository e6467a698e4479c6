import { type ClientRequest, request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { CertificateSource } from '@shoal/pki';
import { type Clock, errorMessage, formatHostPort, type HostPort } from '@shoal/runtime';
import { connectMsMax, keepAliveMs } from './limits.ts';
import type { LinkMetrics } from './metrics.ts';
import { provenNode } from './proven-node.ts';

export interface LinkClientOptions {
  /** What proves this node, and whom it trusts. */
  readonly source: CertificateSource;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly metrics: LinkMetrics;
}

export interface LinkCall {
  /** Where the host's gossip listens. */
  readonly address: HostPort;
  /** The node that must be there. */
  readonly nodeId: string;
  readonly method: string;
  /** Begins with the root of the route, or with a version of Docker's API before it. */
  readonly path: string;
  /** Headers by name, or as names and values in turn. */
  readonly headers: OutgoingHttpHeaders | readonly string[];
}

/** The host was not reached, or is not the node that was meant; the message is one sentence for people. */
export class LinkError extends Error {
  override readonly name = 'LinkError';
}

/** Sends requests to other hosts of the cluster, each over a connection of its own. */
export class LinkClient {
  readonly #options: LinkClientOptions;

  constructor(options: LinkClientOptions) {
    this.#options = options;
  }

  /**
   * A request in the hands of its caller, as Node's own are: it emits `response`, `upgrade` or `error`.
   * Nothing of it leaves before the other end has proved to be the node. Who waits for an answer has a
   * deadline of its own, and destroys what it no longer wants.
   */
  request(call: LinkCall): ClientRequest {
    const { method, path, headers } = call;
    return httpRequest({
      method,
      path,
      headers: keptOpen(headers),
      createConnection: (_options, done) => {
        this.#connect(call, (error, socket) => {
          // The types know no failure without a socket.
          done(error, socket as TLSSocket);
        });
        return undefined;
      },
    });
  }

  #connect(
    { address, nodeId }: LinkCall,
    done: (error: Error | null, socket?: TLSSocket) => void,
  ): void {
    const { source, clusterId, clock, metrics } = this.#options;
    const { caCertificate: ca, certificate: cert, key } = source.current();
    const where = formatHostPort(address);
    let isOther = false;
    // `allowHalfOpen` is missing in the types.
    const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
      host: address.host,
      port: address.port,
      ca,
      cert,
      key,
      minVersion: 'TLSv1.3',
      // As `exec -i` needs: the end of what is said is not the end of what is heard.
      allowHalfOpen: true,
      // Addresses are not in certificates: the host proves that it is the node instead.
      checkServerIdentity: (_host, certificate) => {
        isOther = provenNode(certificate, clusterId)?.nodeId !== nodeId;
        return isOther ? new LinkError(`the host at ${where} is not node ${nodeId}`) : undefined;
      },
    };
    const socket = connect(options);
    const late = clock.after(connectMsMax, () => socket.destroy(new Error('it does not answer')));
    const failed = (error: Error): void => {
      late.cancel();
      metrics.dialled(isOther ? 'other-node' : 'unreachable');
      const reason = `the host at ${where} cannot be reached: ${errorMessage(error)}`;
      done(error instanceof LinkError ? error : new LinkError(reason, { cause: error }));
    };
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    socket.once('error', failed);
    // Between the hands of this function and those of the request nobody else listens.
    socket.on('error', () => undefined);
    // Request and answer are both whole.
    socket.once('free', () => socket.end());
    socket.once('secureConnect', () => {
      late.cancel();
      socket.off('error', failed);
      metrics.dialled('connected');
      done(null, socket);
    });
  }
}

/**
 * Asks the host to leave the connection open after its answer: one that is closed while a body is still
 * being sent may take the answer with it.
 */
function keptOpen(headers: LinkCall['headers']): OutgoingHttpHeaders | readonly string[] {
  const isNamed = (name: string): boolean => name.toLowerCase() === 'connection';
  if (!Array.isArray(headers))
    return Object.keys(headers).some(isNamed) ? headers : { ...headers, connection: 'keep-alive' };
  const names = headers.filter((_, at) => at % 2 === 0);
  return names.some(isNamed) ? headers : [...headers, 'Connection', 'keep-alive'];
}
