import type { Socket } from 'node:net';
import { HostLink, LinkClient, type LinkMetrics } from '@shoal/link';
import { type Identity, RenewableProof } from '@shoal/pki';
import type { Clock, Logger } from '@shoal/runtime';

/** Both ends that a node has of the links between the hosts of its cluster. */
export class NodeLink {
  /** What this host answers. */
  readonly host: HostLink;
  /** What it asks others. */
  readonly client: LinkClient;
  readonly #proof: RenewableProof;
  #managers: Identity['managers'];

  constructor(
    identity: Identity,
    parts: { readonly clock: Clock; readonly logger: Logger; readonly metrics: LinkMetrics },
  ) {
    this.#proof = new RenewableProof(identity);
    this.#managers = identity.managers;
    const { clusterId } = identity;
    const { clock, logger, metrics } = parts;
    this.host = new HostLink({ source: this.#proof, clusterId, clock, logger, metrics });
    this.client = new LinkClient({ source: this.#proof, clusterId, clock, metrics });
  }

  /** A new certificate, or other managers. */
  renew(identity: Identity): void {
    this.#proof.renew(identity);
    this.#managers = identity.managers;
  }

  /** Whether the node is a manager, by the last word of the managers. */
  isManager(nodeId: string): boolean {
    return this.#managers.some((manager) => manager.nodeId === nodeId);
  }

  close(): void {
    this.host.close();
  }
}

/** The port of the host, which stays open whatever cluster the host is in. */
export class LinkDoor {
  #link: HostLink | undefined;

  /** Whose are the connections from now on; undefined: nobody's. */
  leadTo(link: HostLink | undefined): void {
    this.#link = link;
  }

  accept(socket: Socket, firstBytes: Buffer): void {
    if (this.#link === undefined) socket.destroy();
    else this.#link.accept(socket, firstBytes);
  }
}
