import {
  type Amounts,
  capacityOf,
  chooseGeneric,
  demandOf,
  type GenericResource,
  type Node,
  type NodeUsage,
  namedOf,
  type Revision,
} from '@shoal/state';
import { hashOf } from './ranking.ts';

/** What a node has left: CPU in nano-CPUs, memory in bytes. May be below zero when a node shrank. */
export interface Room {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
}

/** What is taken on a node by what is committed. */
export type UsageOf = (nodeId: string) => NodeUsage;

/** What tasks of this step take, before it is committed. */
class Placed {
  nanoCpus = 0;
  memoryBytes = 0;
  readonly generic = new Map<string, number>();
  readonly named = new Set<string>();
  readonly ports = new Set<string>();
  tasks = 0;
}

const nothing: Placed = new Placed();

/**
 * A node as the scheduler sees it: what is committed, and on top what the present step has placed
 * there. Kept from step to step by the ledger.
 */
export class Candidate {
  readonly id: string;
  /** A small number that no other candidate has at the same time. */
  readonly number: number;
  readonly hash: number;
  /** Where its newest entry in the journal ends. */
  notedAt = 0;
  /** The node was removed. */
  gone = false;
  node: Node;
  /** All tasks on the node, without those that were told to stop. */
  tasks = 0;
  readonly #usageOf: UsageOf;
  /** Made when it is needed: there may be very many nodes. */
  #byService: Map<string, number> | undefined;
  #placed = nothing;

  constructor(node: Node, number: number, usageOf: UsageOf) {
    this.id = node.id;
    this.hash = hashOf(node.id);
    this.node = node;
    this.number = number;
    this.#usageOf = usageOf;
  }

  get room(): Room {
    const capacity = capacityOf(this.node);
    const used = this.#usageOf(this.id);
    return {
      nanoCpus: capacity.nanoCpus - used.nanoCpus - this.#placed.nanoCpus,
      memoryBytes: capacity.memoryBytes - used.memoryBytes - this.#placed.memoryBytes,
    };
  }

  /** Amount of a kind of generic resource that is left. */
  genericLeft(kind: string): number {
    const taken =
      (this.#usageOf(this.id).generic.get(kind) ?? 0) + (this.#placed.generic.get(kind) ?? 0);
    return (capacityOf(this.node).generic.get(kind) ?? 0) - taken;
  }

  hasFree(asked: Amounts): boolean {
    const { nanoCpus, memoryBytes } = this.room;
    if (asked.nanoCpus > 0 && asked.nanoCpus > nanoCpus) return false;
    if (asked.memoryBytes > 0 && asked.memoryBytes > memoryBytes) return false;
    for (const [kind, amount] of asked.generic) if (amount > this.genericLeft(kind)) return false;
    return true;
  }

  hasPortFree(port: string): boolean {
    return !this.#placed.ports.has(port) && !this.#usageOf(this.id).hostPorts.has(port);
  }

  /** Tasks of the service on the node, without those that were told to stop. */
  tasksOf(serviceId: string): number {
    return this.#byService?.get(serviceId) ?? 0;
  }

  /** Whether this step has placed a task here. */
  get isTaken(): boolean {
    return this.#placed.tasks > 0;
  }

  /** Counts an active task in or out. */
  count(serviceId: string, by: 1 | -1): void {
    this.tasks += by;
    this.#byService ??= new Map();
    const own = (this.#byService.get(serviceId) ?? 0) + by;
    if (own === 0) this.#byService.delete(serviceId);
    else this.#byService.set(serviceId, own);
  }

  /** Counts a task in before it is committed; returns the generic resources that it is given. */
  place(revision: Revision): readonly GenericResource[] | undefined {
    this.count(revision.serviceId, 1);
    if (this.#placed === nothing) this.#placed = new Placed();
    const placed = this.#placed;
    const { nanoCpus, memoryBytes, generic, hostPorts } = demandOf(revision);
    placed.tasks += 1;
    placed.nanoCpus += nanoCpus;
    placed.memoryBytes += memoryBytes;
    for (const { key } of hostPorts) placed.ports.add(key);
    if (generic.size === 0) return undefined;
    const { named } = this.#usageOf(this.id);
    const given = chooseGeneric(
      this.node,
      generic,
      (key) => named.has(key) || placed.named.has(key),
    );
    for (const [kind, amount] of generic)
      placed.generic.set(kind, (placed.generic.get(kind) ?? 0) + amount);
    for (const key of namedOf(given)) placed.named.add(key);
    return given;
  }

  /** Forgets what {@link place} reserved; its counts are taken back one by one. */
  forgetPlaced(): void {
    this.#placed = nothing;
  }
}
