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
import { type Mend, passRequest, passUpgrade, type Upstream } from '@shoal/link/proxy';
import { reachedAt } from '@shoal/overlay';
import type { Identity } from '@shoal/pki';
import type { StateView } from '@shoal/state';
import { z } from 'zod';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { asAsked, execPlace, withExecId } from './exec-id.ts';
import { type FoundTask, findTask, isIdLike, severalIds, type TaskContainer } from './find-task.ts';
import { rejoinNetworks } from './rejoin.ts';
import { nodeTitle, RemoteNode, whyAway } from './remote-node.ts';
import { ShownContainers } from './shown-containers.ts';
import { startAnswer } from './start-refusal.ts';

/** Sends a request to another node over the link between the agents. */
export type NodeLink = (identity: Identity, call: LinkCall) => ClientRequest;

/** Where a request goes. */
type Target = Passed | Refused;
type Passed =
  | { readonly kind: 'engine'; readonly url?: string; readonly mend?: Mend }
  | { readonly kind: 'node'; readonly upstream: RemoteNode; readonly mend?: Mend };
interface Refused {
  readonly kind: 'refused';
  readonly status: number;
  readonly message: string;
}

const here: Target = { kind: 'engine' };
const inspected = z.object({ Id: z.string(), Name: z.string() });

/** Requests of the engine's API: to the engine of this host, or to that of the node that has the container. */
export class ContainerRouter {
  readonly #options: ApiContext;
  readonly #shown: ShownContainers;

  constructor(options: ApiContext) {
    this.#options = options;
    this.#shown = new ShownContainers(options.engine);
  }

  async pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = await this.#target(request);
    if (target.kind === 'refused') {
      // What is still being sent is read and dropped, so that the answer arrives.
      request.resume();
      return refusal(response, target.status, target.message);
    }
    const { upstream, ...how } = this.#ways(target);
    if (target.kind === 'node' || !this.#isMember)
      return passRequest(upstream, request, response, how);
    const started = startedBy(request);
    if (started === undefined) {
      const { method = '', url = '' } = request;
      const shown = await this.#shown.passing(method, how.url ?? url);
      return passRequest(upstream, request, response, { ...how, ...shown });
    }
    await rejoinNetworks(this.#options, started);
    return passRequest(upstream, request, response, { mend: startAnswer, ...how });
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

  /** Others know nothing of a swarm. */
  get #isMember(): boolean {
    const { kind } = this.#options.host.standing;
    return kind === 'manager' || kind === 'worker';
  }

  #ways(target: Passed): {
    readonly upstream: Upstream;
    readonly url?: string;
    readonly mend?: Mend;
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
    const dial = (linkCall: LinkCall): ClientRequest => link(manager.identity, linkCall);
    const way: Way = { method, call, manager, dial };
    return call.of === 'container' ? this.#container(way) : this.#exec(way);
  }

  #exec(way: Way): Target {
    const { call, manager } = way;
    const place = execPlace(call.reference);
    if (place === undefined) return here;
    const { nodeId, engineId } = place;
    if (manager.replica.view.nodes.get(nodeId) === undefined)
      return refused(404, `No such exec instance: ${call.reference}`);
    const target = this.#onNode(way, nodeId, engineId);
    if (target.kind === 'refused') return target;
    return {
      ...target,
      mend: ({ status, body }) => ({ status, body: asAsked(body, call.reference) }),
    };
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
    return refused(400, severalIds(way.call.reference).message);
  }

  #found(way: Way, found: FoundTask): Target {
    const { call } = way;
    switch (found.kind) {
      case 'none':
        return here;
      case 'ambiguous':
        return refused(400, found.message);
      case 'bare': {
        const { state } = found.task.status;
        const message = `No such container: ${call.reference} (its task ${found.name} is ${state} and has none)`;
        return refused(404, message);
      }
      case 'found':
        return this.#atTask(way, found.container);
    }
  }

  #atTask(way: Way, { task, containerId, name }: TaskContainer): Target {
    const { method, call, manager } = way;
    const { nodeId } = task;
    if (nodeId === manager.identity.nodeId || isReachable(method, call)) {
      const target = this.#onNode(way, nodeId, containerId);
      const isExec = method === 'POST' && call.action === 'exec';
      if (target.kind === 'refused' || !isExec) return target;
      return {
        ...target,
        mend: ({ status, body }) => ({ status, body: withExecId(body, nodeId) }),
      };
    }
    const node = manager.replica.view.nodes.get(nodeId);
    const where = node === undefined ? `node ${nodeId}` : nodeTitle(node);
    const asked = call.action === '' ? method : `${method} ${call.action}`;
    const message = `${name} runs on ${where}, and ${asked} is not for containers of other nodes: the swarm starts, stops and removes them`;
    return refused(403, message);
  }

  /** What the node's engine knows by the id. */
  #onNode({ call, manager, dial }: Way, nodeId: string, id: string): Target {
    const url = pathOf(call, id);
    if (nodeId === manager.identity.nodeId) return { kind: 'engine', url };
    const view = (): StateView => manager.replica.view;
    const node = view().nodes.get(nodeId);
    if (node === undefined) return refused(503, `node ${nodeId} was removed`);
    const away = whyAway(node);
    if (away !== undefined) return refused(503, away);
    const address = { host: reachedAt(node), port: linkPort };
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
}

/** One request on its way. */
interface Way {
  readonly method: string;
  readonly call: ContainerCall;
  readonly manager: Manager;
  readonly dial: (call: LinkCall) => ClientRequest;
}

function refused(status: number, message: string): Refused {
  return { kind: 'refused', status, message };
}

/** The container that is to be started: networks of the swarm may have a part in it. */
function startedBy({ method, url = '' }: IncomingMessage): string | undefined {
  if (method !== 'POST') return undefined;
  const call = containerCall(url);
  if (call?.of !== 'container') return undefined;
  return call.action === 'start' || call.action === 'restart' ? call.reference : undefined;
}
