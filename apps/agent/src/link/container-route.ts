import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type ContainerCall,
  containerCall,
  isReachable,
  type LinkHandler,
  type LinkPeer,
  pathOf,
  refusal,
  refusalBytes,
} from '@shoal/link';
import { type Engine, passRequest, passUpgrade } from '@shoal/link/proxy';
import type { Logger } from '@shoal/runtime';
import { z } from 'zod';
import { swarmLabels } from '../executor/container-config.ts';
import type { ContainerRouteMetrics } from './metrics.ts';

export interface NamedContainer {
  readonly id: string;
  readonly name: string;
}

export interface ContainerRouteOptions {
  readonly engine: Engine;
  readonly nodeId: string;
  /** Whether the node is among the managers that there are by now: a certificate outlives the role. */
  readonly isManager: (nodeId: string) => boolean;
  /** Whether this node has the task, and the container is the task's: its labels come with images too. */
  readonly knows: (taskId: string, container: NamedContainer) => boolean;
  readonly logger: Logger;
  readonly metrics: ContainerRouteMetrics;
}

const idForm = /^[0-9a-f]{64}$/;
const inspected = z.object({
  Name: z.string().default(''),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }),
});
const inspectedExec = z.object({ ContainerID: z.string() });
const told = z.object({ message: z.string() });

type Judged =
  /** The target for the engine. */
  | { readonly kind: 'passed'; readonly url: string }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string };

/**
 * Lets managers at the containers of this node's tasks: looking, logs, copying, exec. All else that the
 * engine can do is not for other hosts.
 */
export class ContainerRoute implements LinkHandler {
  readonly #options: ContainerRouteOptions;

  constructor(options: ContainerRouteOptions) {
    this.#options = options;
  }

  request(peer: LinkPeer, request: IncomingMessage, response: ServerResponse): void {
    void this.#judge(peer, request).then(async (judged) => {
      if (judged.kind === 'refused') refusal(response, judged.status, judged.message);
      else await passRequest(this.#options.engine, request, response, { url: judged.url });
    });
  }

  upgrade(peer: LinkPeer, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    void this.#judge(peer, request).then(async (judged) => {
      if (judged.kind === 'refused') socket.end(refusalBytes(judged.status, judged.message));
      else await passUpgrade(this.#options.engine, request, socket, head, judged.url);
    });
  }

  async #judge(peer: LinkPeer, request: IncomingMessage): Promise<Judged> {
    const { method = '', url = '' } = request;
    const call = containerCall(url);
    const { metrics, engine, isManager, nodeId } = this.#options;
    if (!isManager(peer.nodeId)) {
      metrics.answered('other', 'refused');
      // One that has just become a manager is heard of soon.
      return refused(503, `node ${nodeId} knows of no manager ${peer.nodeId}; try again`);
    }
    if (call === undefined || !isReachable(method, call)) {
      metrics.answered('other', 'refused');
      const what = call === undefined || call.action === '' ? url : call.action;
      return refused(403, `${method} ${what} is not for other hosts`);
    }
    const judged = await this.#look(call).catch((error: unknown) => {
      const { status, message } = engine.failure(error);
      return refused(status, message);
    });
    const name = call.of === 'exec' ? `exec-${call.action}` : call.action;
    metrics.answered(name, judged.kind);
    if (judged.kind === 'refused') return judged;
    this.#note(peer, call, judged.containerId);
    return { kind: 'passed', url: pathOf(call, call.reference) };
  }

  /** Who ran something in which container. What was run may hold secrets and is not told. */
  #note(peer: LinkPeer, { of, action, reference }: ContainerCall, container: string): void {
    const { logger } = this.#options;
    const fields = { by: peer.nodeId, container };
    if (of === 'container' && action === 'exec') logger.info(fields, 'remote_exec_created');
    else if (of === 'container' && action === 'attach') logger.info(fields, 'remote_attach');
    else if (of === 'exec' && action === 'start')
      logger.info({ ...fields, exec: reference }, 'remote_exec_started');
  }

  /** The container that the call concerns, if it is that of a task of this node. @throws EngineAwayError */
  async #look({ of, reference }: ContainerCall): Promise<Looked> {
    if (!idForm.test(reference)) return refused(400, `${reference} is not a whole id`);
    if (of === 'container') return this.#taskContainer(reference);
    const { status, json } = await this.#options.engine.get(`/exec/${reference}/json`);
    const exec = inspectedExec.safeParse(json);
    if (status !== 200 || !exec.success)
      return refused(status, messageIn(json) ?? `No such exec instance: ${reference}`);
    return this.#taskContainer(exec.data.ContainerID);
  }

  async #taskContainer(containerId: string): Promise<Looked> {
    const { engine, nodeId, knows } = this.#options;
    const { status, json } = await engine.get(`/containers/${containerId}/json`);
    const container = inspected.safeParse(json);
    if (status !== 200 || !container.success)
      return refused(status, messageIn(json) ?? `No such container: ${containerId}`);
    const { Name, Config } = container.data;
    const labels = Config.Labels ?? {};
    const named = { id: containerId, name: Name.replace(/^\//, '') };
    const isOurs =
      labels[swarmLabels.nodeId] === nodeId && knows(labels[swarmLabels.taskId] ?? '', named);
    if (isOurs) return { kind: 'passed', containerId };
    return refused(403, `container ${containerId} is not that of a task of node ${nodeId}`);
  }
}

type Refused = Extract<Judged, { readonly kind: 'refused' }>;
type Looked = { readonly kind: 'passed'; readonly containerId: string } | Refused;

function refused(status: number, message: string): Refused {
  return { kind: 'refused', status, message };
}

function messageIn(json: unknown): string | undefined {
  return told.safeParse(json).data?.message;
}
