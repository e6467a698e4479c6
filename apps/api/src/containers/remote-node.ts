import type { ClientRequest } from 'node:http';
import { type LinkCall, LinkError } from '@shoal/link';
import type { PassedRequest, Upstream, UpstreamFailure } from '@shoal/link/proxy';
import type { HostPort } from '@shoal/runtime';
import type { Node, StateView } from '@shoal/state';

export interface RemoteNodeOptions {
  readonly nodeId: string;
  readonly address: HostPort;
  /** The target there. */
  readonly url: string;
  readonly view: () => StateView;
  readonly dial: (call: LinkCall) => ClientRequest;
}

/** One request to another node of the cluster. */
export class RemoteNode implements Upstream {
  readonly #options: RemoteNodeOptions;

  constructor(options: RemoteNodeOptions) {
    this.#options = options;
  }

  async path(): Promise<string> {
    return this.#options.url;
  }

  request({ method, path, headers }: PassedRequest): ClientRequest {
    const { address, nodeId, dial } = this.#options;
    return dial({ address, nodeId, method, path, headers });
  }

  failure(cause: unknown): UpstreamFailure {
    const { nodeId, view } = this.#options;
    const node = view().nodes.get(nodeId);
    const down = node === undefined ? undefined : whyAway(node);
    if (down !== undefined) return { status: 503, message: down };
    const name = node === undefined ? nodeId : nodeTitle(node);
    if (cause instanceof LinkError)
      return { status: 503, message: `${name} does not answer: ${cause.message}` };
    return { status: 503, message: `the connection to ${name} broke before it answered` };
  }
}

/** How sentences name a node. */
export function nodeTitle({ id, description }: Node): string {
  const hostname = description?.Hostname ?? '';
  return hostname === '' ? `node ${id}` : `node ${hostname} (${id})`;
}

/** One sentence when it is known that the node cannot be reached. */
export function whyAway(node: Node): string | undefined {
  const { state, addr } = node.status;
  if (addr === '') return `${nodeTitle(node)} has not told where it is reached yet`;
  if (state !== 'down') return undefined;
  const since = new Date(node.meta.updatedAt).toISOString();
  return `${nodeTitle(node)} is down since ${since}; its containers cannot be reached`;
}
