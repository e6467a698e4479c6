import { connect, createServer, type Server, type Socket } from 'node:net';
import { type NodeRole, RenewableProof } from '@shoal/pki';
import { silentLogger, systemClock } from '@shoal/runtime';
import { HostLink } from '../host-link.ts';
import { LinkClient } from '../link-client.ts';
import { noLinkMetrics } from '../metrics.ts';
import type { LinkHandler } from '../route.ts';
import type { FakeNode } from './fake-nodes.ts';

/** A host that hands every connection of a port to its link. */
export class LinkedHost {
  readonly proof: RenewableProof;
  readonly link: HostLink;
  readonly node: FakeNode;
  readonly refused: string[] = [];
  readonly #server: Server;
  /** Connections that the link has open. */
  open = 0;
  /** Connections handed to the link. */
  taken = 0;
  #port = 0;

  constructor(node: FakeNode, openingMsMax?: number) {
    this.node = node;
    this.proof = new RenewableProof(node);
    this.link = new HostLink({
      source: this.proof,
      clusterId: node.clusterId,
      clock: systemClock,
      logger: silentLogger,
      metrics: {
        ...noLinkMetrics,
        refused: (why) => this.refused.push(why),
        connections: (count) => {
          this.open = count;
        },
      },
      ...(openingMsMax === undefined ? {} : { openingMsMax }),
    });
    this.#server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', (first: Buffer) => {
        socket.pause();
        this.taken += 1;
        this.link.accept(socket, first);
      });
    });
  }

  get address() {
    return { host: '127.0.0.1', port: this.#port };
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
    return this;
  }

  serve(root: string, handler: LinkHandler, roles: readonly NodeRole[]): void {
    this.link.add({ root, roles, handler });
  }

  /** A bare connection to its port. */
  knock(): Socket {
    return connect({ ...this.address, allowHalfOpen: true });
  }

  async close(): Promise<void> {
    this.link.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export function clientOf(node: FakeNode, clusterId = node.clusterId): LinkClient {
  return new LinkClient({
    source: new RenewableProof(node),
    clusterId,
    clock: systemClock,
    metrics: noLinkMetrics,
  });
}
