import { attachmentRecord } from '@shoal/overlay';
import type { AttachContainerRequest, AttachContainerResponse } from '@shoal/proto';
import { type Clock, idLength, newId, type Random, type Timer } from '@shoal/runtime';
import type { AppliedChange, Attachment, Network, StateView } from '@shoal/state';
import type { Write } from '../core/writer.ts';
import { attachesMax, attachMsMax, attachmentGraceMs } from './limits.ts';

export interface ContainerAttachmentsOptions {
  readonly view: () => StateView;
  readonly add: (write: Write) => void;
  readonly clock: Clock;
  readonly random: Random;
}

/** As `newId` makes them; those of the nodes' own attachments are others. */
const idShape = new RegExp(`^[0-9a-z]{${idLength}}$`);

type Answer = (response: AttachContainerResponse) => void;

/** Containers that people run by hand: their attachments, from the asking node to the allocator and back. */
export class ContainerAttachments {
  readonly #options: ContainerAttachmentsOptions;
  /** Who waits for the address of an attachment. */
  readonly #waiting = new Map<string, { readonly answer: Answer; readonly timer: Timer }>();

  constructor(options: ContainerAttachmentsOptions) {
    this.#options = options;
  }

  attach(nodeId: string, request: AttachContainerRequest): Promise<AttachContainerResponse> {
    const { view, add, clock, random } = this.#options;
    const { networkId: named, attachmentId, name, wanted } = request;
    if (attachmentId !== '' && !this.#isGivenUp(request)) return this.#rename(nodeId, request);
    const network = view().networks.get(named) ?? view().networks.byName(named);
    const refused = refusalOf(network, named);
    if (network === undefined || refused !== undefined) {
      return Promise.resolve(problem(refused ?? ''));
    }
    if (this.#waiting.size >= attachesMax) return Promise.resolve(problem('too many containers'));
    const id = attachmentId === '' ? newId(random) : attachmentId;
    const attachment: Omit<Attachment, 'meta'> = {
      id,
      networkId: network.id,
      nodeId,
      kind: 'container',
      addresses: [],
      ...(name === '' ? {} : { name }),
      ...(wanted === '' ? {} : { wanted }),
    };
    return new Promise((resolve) => {
      const timer = clock.after(attachMsMax, () => {
        this.#answer(id, problem(`no address of network ${network.spec.Name} came in time`));
        this.detach(nodeId, id);
      });
      this.#waiting.set(id, { answer: resolve, timer });
      const lost = (): void => {
        const known = view().attachments.get(id);
        if (known === undefined) this.#answer(id, problem('the container could not be attached'));
        else if (known.addresses.length > 0) this.#answer(id, this.#granted(known));
      };
      add(createWrite(nodeId, attachment, lost));
    });
  }

  /** Only the node's own. */
  detach(nodeId: string, attachmentId: string): void {
    this.#options.add(deleteWrite(nodeId, attachmentId, 'container gone', ownOf(nodeId)));
  }

  /** What a node does not know any more, though it knows all of its containers, can go. */
  present(nodeId: string, attachmentIds: readonly string[]): void {
    const { view, clock } = this.#options;
    const present = new Set(attachmentIds);
    const now = clock.now();
    for (const { id, kind, meta } of view().attachments.byNode(nodeId)) {
      if (kind !== 'container' || present.has(id) || this.#waiting.has(id)) continue;
      if (now - meta.updatedAt < attachmentGraceMs) continue;
      this.#options.add(deleteWrite(nodeId, id, 'container unknown to its node', ownOf(nodeId)));
    }
  }

  /** Nodes that are no more have no containers. */
  clear(view: StateView): void {
    for (const { id, kind, nodeId } of view.attachments.values()) {
      if (kind !== 'container' || view.nodes.get(nodeId) !== undefined) continue;
      const orphan = (attachment: Attachment, at: StateView): boolean =>
        at.nodes.get(attachment.nodeId) === undefined;
      this.#options.add(deleteWrite(nodeId, id, 'node removed', orphan));
    }
  }

  applied({ after }: AppliedChange & { readonly table: 'attachment' }): void {
    if (after !== undefined) this.#settled(after);
  }

  /** What is waited for may have come, or its node gone, with a snapshot. */
  reset(view: StateView): void {
    for (const id of [...this.#waiting.keys()]) {
      const attachment = view.attachments.get(id);
      if (attachment !== undefined) this.#settled(attachment);
    }
    this.clear(view);
  }

  #settled(attachment: Attachment): void {
    const { id, nodeId, addresses, problem: text } = attachment;
    if (!this.#waiting.has(id)) return;
    if (text !== undefined) {
      this.#answer(id, problem(text));
      this.detach(nodeId, id);
    } else if (addresses.length > 0) this.#answer(id, this.#granted(attachment));
  }

  stop(): void {
    for (const id of [...this.#waiting.keys()]) this.#answer(id, problem('the manager stops'));
  }

  /** Its node was away for too long, and the container that has the address runs all the same. */
  #isGivenUp(request: AttachContainerRequest): boolean {
    const { attachmentId: id, wanted } = request;
    const view = this.#options.view();
    if (wanted === '' || !idShape.test(id) || this.#waiting.has(id)) return false;
    // What somebody else has by now would only be refused later, at the cost of two entries.
    return !this.#isTaken(request) && view.attachments.get(id) === undefined;
  }

  #isTaken({ networkId, wanted }: AttachContainerRequest): boolean {
    if (wanted === '') return false;
    return this.#options.view().addresses(networkId).holder(wanted) !== undefined;
  }

  #rename(nodeId: string, request: AttachContainerRequest): Promise<AttachContainerResponse> {
    const { attachmentId: id, name } = request;
    const known = this.#options.view().attachments.get(id);
    if (known === undefined || known.nodeId !== nodeId || known.kind !== 'container') {
      const givenAway = known === undefined && this.#isTaken(request);
      return Promise.resolve({ ...problem(`attachment ${id} not found`), givenAway });
    }
    return new Promise((resolve) => {
      this.#options.add({
        key: `attachment/${id}`,
        actor: { kind: 'agent', name: nodeId },
        reason: 'container named',
        change(view) {
          const attachment = view.attachments.get(id);
          if (attachment === undefined || attachment.name === name) return undefined;
          return { op: 'update', table: 'attachment', object: { ...attachment, name } };
        },
        done: (end) => {
          const now = this.#options.view().attachments.get(id);
          const isLost = now === undefined || end === 'dropped';
          resolve(isLost ? problem(`attachment ${id} not found`) : this.#granted(now));
        },
      });
    });
  }

  #granted(attachment: Attachment): AttachContainerResponse {
    const record = attachmentRecord(this.#options.view(), attachment);
    return {
      attachmentId: attachment.id,
      addresses: [...attachment.addresses],
      record: Buffer.from(JSON.stringify(record)),
      problem: '',
      givenAway: false,
    };
  }

  #answer(id: string, response: AttachContainerResponse): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    waiting.answer(response);
  }
}

/** In Docker's words. */
function refusalOf(network: Network | undefined, named: string): string | undefined {
  if (network === undefined) return `network ${named} not found`;
  const { Name, Attachable, Ingress } = network.spec;
  if (Attachable && !Ingress) return undefined;
  return `network ${Name} not manually attachable`;
}

function problem(text: string): AttachContainerResponse {
  return {
    attachmentId: '',
    addresses: [],
    record: Buffer.alloc(0),
    problem: text,
    givenAway: false,
  };
}

function createWrite(
  nodeId: string,
  attachment: Omit<Attachment, 'meta'>,
  lost: () => void,
): Write {
  return {
    key: `attachment/${attachment.id}`,
    actor: { kind: 'agent', name: nodeId },
    reason: 'container attached',
    change(view) {
      if (view.attachments.get(attachment.id) !== undefined) return undefined;
      const meta = { version: 0, createdAt: 0, updatedAt: 0 } as Attachment['meta'];
      return { op: 'create', table: 'attachment', object: { ...attachment, meta } };
    },
    done: (end) => {
      if (end !== 'committed') lost();
    },
  };
}

function ownOf(nodeId: string): (attachment: Attachment) => boolean {
  return (attachment) => attachment.nodeId === nodeId && attachment.kind === 'container';
}

function deleteWrite(
  nodeId: string,
  id: string,
  reason: string,
  holds: (attachment: Attachment, view: StateView) => boolean,
): Write {
  return {
    key: `attachment/${id}`,
    actor: { kind: 'agent', name: nodeId },
    reason,
    change(view) {
      const attachment = view.attachments.get(id);
      if (attachment === undefined || !holds(attachment, view)) return undefined;
      const { version } = attachment.meta;
      return { op: 'delete', table: 'attachment', id, version };
    },
    done: () => undefined,
  };
}
