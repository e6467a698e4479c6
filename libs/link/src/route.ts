import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { NodeRole } from '@shoal/pki';

/** Who calls, proved by its certificate. */
export interface LinkPeer {
  readonly nodeId: string;
  readonly role: NodeRole;
}

export interface LinkHandler {
  request(peer: LinkPeer, request: IncomingMessage, response: ServerResponse): void;
  /** Another protocol was asked for, such as the streams of an exec. Absent: refused. */
  upgrade?(peer: LinkPeer, request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** A part of what a host answers to other hosts of its cluster. */
export interface LinkRoute {
  /** First segment of the paths, such as `images`; a version of Docker's API may stand before it. */
  readonly root: string;
  /** Who may call it. */
  readonly roles: readonly NodeRole[];
  readonly handler: LinkHandler;
}
