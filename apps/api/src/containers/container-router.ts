import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type ContainerCall,
  containerCall,
  isReachable,
  type LinkCall,
  linkPort,
  pathOf,
  refusal,
  refusalBytes,
} from '@shoal/link';
import { type Engine, passRequest, passUpgrade, type Upstream } from '@shoal/link/proxy';
import type { Identity } from '@shoal/pki';
import type { StateView } from '@shoal/state';
import { z } from 'zod';
import type { Manager, SwarmHost } from '../cluster/standing.ts';
import { ExecMemory } from './exec-memory.ts';
import { type FoundTask, findTask, isIdLike, severalIds, type TaskContainer } from './find-task.ts';
import { nodeTitle, RemoteNode, whyAway } from './remote-node.ts';

/** Sends a request to another node over the link between the agents. */
export type NodeLink = (identity: Identity, call: LinkCall) => ClientRequest;

export interface ContainerRouterOptions {
  readonly engine: Engine;
  readonly host: SwarmHost;
  /** Absent: only containers of this host are reached. */
  readonly link?: NodeLink | undefined;
}

/** Where a request goes. */
type Target =
  | { readonly kind: 'engine'; readonly url?: string }
  | { readonly kind: 'node'; readonly upstream: RemoteNode; readonly seen?: SeenAnswer }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string };

type SeenAnswer = (answer: IncomingMessage) => void;

const here: Target = { kind: 'engine' };
/** Bytes of an answer in which the id of a new exec is looked for. */
const execAnswerBytesMax = 4_096;
const execIdForm = /"Id"\s*:\s*"([0-9a-f]{64})"/;
const inspected = z.object({ Id: z.string(), Name: z.string() });

/** Requests of the engine's API: to the engine of this host, or to that of the node that has the container. */
export class ContainerRouter {
  readonly #options: ContainerRouterOptions;
  readonly #execs = new ExecMemory();

  constructor(options: ContainerRouterOptions) {
    this.#options = options;
  }

  async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = await this.#target(request);
    if (target.kind === 'refused') {
      // What is still being sent is read and dropped, so that the answer arrives.
      request.resume();
      return refusal(response, target.status, target.message);
    }
    const { upstream, ...how } = this.#ways(target);
    return passRequest(upstream, request, response, how);
  }

  async passUpgrade(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy());
    const target = await this.#target(request);
    if (target.kind === 'refused') {
      client.end(refusalBytes(target.status, target.message));
      return;
    }
    const { upstream, url } = this.#ways(target);
    return passUpgrade(upstream, request, client, head, url);
  }

  #ways(target: Exclude<Target, { readonly kind: 'refused' }>): {
    readonly upstream: Upstream;
    readonly url?: string;
    readonly seen?: SeenAnswer;
  } {
    if (target.kind === 'node') return target;
    return { ...target, upstream: this.#options.engine };
  }

  /** What names nothing of the cluster is the engine's without a further question. */
  async #target(request: IncomingMessage): Promise<Target> {
    const { host, link } = this.#options;
    const { method = '', url = '' } = request;
    const { standing } = host;
    const call = containerCall(url);
    if (link === undefined || call === undefined || standing.kind !== 'manager') return here;
    const { manager } = standing;
    const { view } = manager.replica;
    const dial = (linkCall: LinkCall): ClientRequest => link(manager.identity, linkCall);
    const way: Way = { method, call, manager, dial };
    if (call.of === 'container') return this.#container(way);
    const nodeId = this.#execs.node(call.reference);
    return nodeId === undefined || view.nodes.get(nodeId) === undefined
      ? here
      : this.#toNode(way, nodeId, call.reference);
  }

  /** What the engine of this host has by that very id or name is meant first. */
  async #container(way: Way): Promise<Target> {
    const { view } = way.manager.replica;
    const { reference } = way.call;
    if (view.nodes.size < 2 && isIdLike(reference)) return here;
    const early = isIdLike(reference) ? undefined : findTask(view, reference);
    if (early?.kind === 'none') return here;
    const local = await this.#local(reference);
    if (local === 'whole' || local === 'unclear') return here;
    const found = early ?? findTask(way.manager.replica.view, reference);
    if (local === 'prefix') return this.#besideLocal(way, found);
    return this.#found(way, found);
  }

  /** The engine has a container whose id begins so. */
  #besideLocal(way: Way, found: FoundTask): Target {
    const own = way.manager.identity.nodeId;
    const isElsewhere = found.kind === 'found' && found.container.task.nodeId !== own;
    if (found.kind !== 'ambiguous' && !isElsewhere) return here;
    return { kind: 'refused', status: 400, message: severalIds(way.call.reference).message };
  }

  #found(way: Way, found: FoundTask): Target {
    const { call, manager } = way;
    switch (found.kind) {
      case 'none':
        return here;
      case 'ambiguous':
        return { kind: 'refused', status: 400, message: found.message };
      case 'bare': {
        const { state } = found.task.status;
        const message = `No such container: ${call.reference} (its task ${found.name} is ${state} and has none)`;
        return { kind: 'refused', status: 404, message };
      }
      case 'found': {
        const { task, containerId } = found.container;
        if (task.nodeId === manager.identity.nodeId)
          return { kind: 'engine', url: pathOf(call, containerId) };
        return this.#onOtherNode(way, found.container);
      }
    }
  }

  #onOtherNode(way: Way, { task, containerId, name }: TaskContainer): Target {
    const { method, call, manager } = way;
    const node = manager.replica.view.nodes.get(task.nodeId);
    if (isReachable(method, call)) {
      const target = this.#toNode(way, task.nodeId, containerId);
      const isExec = method === 'POST' && call.action === 'exec' && target.kind === 'node';
      return isExec ? { ...target, seen: this.#remembering(task.nodeId) } : target;
    }
    const where = node === undefined ? `node ${task.nodeId}` : nodeTitle(node);
    const asked = call.action === '' ? method : `${method} ${call.action}`;
    const message = `${name} runs on ${where}, and ${asked} is not for containers of other nodes: the swarm starts, stops and removes them`;
    return { kind: 'refused', status: 403, message };
  }

  #toNode({ call, manager, dial }: Way, nodeId: string, id: string): Target {
    const node = manager.replica.view.nodes.get(nodeId);
    const away = node === undefined ? `node ${nodeId} was removed` : whyAway(node);
    if (node === undefined || away !== undefined)
      return { kind: 'refused', status: 503, message: away ?? '' };
    const address = { host: node.status.addr, port: linkPort };
    const view = (): StateView => manager.replica.view;
    const url = pathOf(call, id);
    return { kind: 'node', upstream: new RemoteNode({ nodeId, address, url, view, dial }) };
  }

  /** How the engine of this host knows it. */
  async #local(reference: string): Promise<'whole' | 'prefix' | 'none' | 'unclear'> {
    try {
      const path = `/containers/${encodeURIComponent(reference)}/json`;
      const { status, json } = await this.#options.engine.get(path);
      if (status === 404) return 'none';
      const container = inspected.safeParse(json).data;
      if (status !== 200 || container === undefined) return 'unclear';
      const name = reference.startsWith('/') ? reference : `/${reference}`;
      return container.Id === reference || container.Name === name ? 'whole' : 'prefix';
    } catch {
      // An engine that is away has no container; other nodes may.
      return 'none';
    }
  }

  /** Notes where an exec is before its maker can ask for it. */
  #remembering(nodeId: string): SeenAnswer {
    return (answer) => {
      if (answer.statusCode !== 201) return;
      let head = '';
      answer.on('data', (chunk: Buffer) => {
        if (head.length > execAnswerBytesMax) return;
        head += chunk.toString('latin1');
        const id = execIdForm.exec(head)?.[1];
        if (id !== undefined) this.#execs.add(id, nodeId);
      });
    };
  }
}

/** One request on its way. */
interface Way {
  readonly method: string;
  readonly call: ContainerCall;
  readonly manager: Manager;
  readonly dial: (call: LinkCall) => ClientRequest;
}
