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

/** A number of tasks, in all and by service. Most are of one service only, and cost no table. */
class Tally {
  tasks = 0;
  #serviceId = '';
  #ofService = 0;
  /** The services after the first. */
  #others: Map<string, number> | undefined;

  of(serviceId: string): number {
    if (serviceId === this.#serviceId) return this.#ofService;
    return this.#others?.get(serviceId) ?? 0;
  }

  count(serviceId: string, by: 1 | -1): void {
    this.tasks += by;
    if (this.#serviceId === '') this.#serviceId = serviceId;
    if (serviceId === this.#serviceId) {
      this.#ofService += by;
      return;
    }
    this.#others ??= new Map();
    const own = (this.#others.get(serviceId) ?? 0) + by;
    if (own === 0) this.#others.delete(serviceId);
    else this.#others.set(serviceId, own);
  }
}

/** What tasks of this step take, before it is committed. */
class Placed extends Tally {
  nanoCpus = 0;
  memoryBytes = 0;
  generic: Map<string, number> | undefined;
  named: Set<string> | undefined;
  ports: Set<string> | undefined;
}

const nothing: Placed = new Placed();
const noTasks = new Tally();

/**
 * A node as the scheduler sees it: what is committed, without the tasks that were told to stop, and on
 * top what the present step has placed there. Kept from step to step by the ledger.
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
  readonly #usageOf: UsageOf;
  #usage: NodeUsage | undefined;
  /** Tasks that hold what they reserve until they have stopped. */
  #stopping = noTasks;
  #placed = nothing;

  constructor(node: Node, number: number, usageOf: UsageOf) {
    this.id = node.id;
    this.hash = hashOf(node.id);
    this.node = node;
    this.number = number;
    this.#usageOf = usageOf;
  }

  /** What is committed; asked for again only after {@link changed}. */
  get #used(): NodeUsage {
    this.#usage ??= this.#usageOf(this.id);
    return this.#usage;
  }

  get room(): Room {
    const capacity = capacityOf(this.node);
    const used = this.#used;
    return {
      nanoCpus: capacity.nanoCpus - used.nanoCpus - this.#placed.nanoCpus,
      memoryBytes: capacity.memoryBytes - used.memoryBytes - this.#placed.memoryBytes,
    };
  }

  /** Amount of a kind of generic resource that is left. */
  genericLeft(kind: string): number {
    const taken = (this.#used.generic.get(kind) ?? 0) + (this.#placed.generic?.get(kind) ?? 0);
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
    return this.#placed.ports?.has(port) !== true && !this.#used.hostPorts.has(port);
  }

  /** All tasks on the node, without those that were told to stop. */
  get tasks(): number {
    return this.#used.tasks - this.#stopping.tasks + this.#placed.tasks;
  }

  /** Tasks of one service on the node, without those that were told to stop. */
  tasksOf(serviceId: string): number {
    const held = this.#used.tasksByService.get(serviceId) ?? 0;
    return held - this.#stopping.of(serviceId) + this.#placed.of(serviceId);
  }

  /** What is committed on the node changed. */
  changed(): void {
    this.#usage = undefined;
  }

  /** A task was told to stop, or has stopped. */
  countStopping(serviceId: string, by: 1 | -1): void {
    if (this.#stopping === noTasks) this.#stopping = new Tally();
    this.#stopping.count(serviceId, by);
  }

  /** Counts a task in before it is committed; returns the generic resources that it is given. */
  place(revision: Revision): readonly GenericResource[] | undefined {
    if (this.#placed === nothing) this.#placed = new Placed();
    const placed = this.#placed;
    placed.count(revision.serviceId, 1);
    const { nanoCpus, memoryBytes, generic, hostPorts } = demandOf(revision);
    placed.nanoCpus += nanoCpus;
    placed.memoryBytes += memoryBytes;
    if (hostPorts.length > 0) {
      placed.ports ??= new Set();
      for (const { key } of hostPorts) placed.ports.add(key);
    }
    return generic.size === 0 ? undefined : this.#give(placed, generic);
  }

  #give(
    placed: Placed,
    asked: ReadonlyMap<string, number>,
  ): readonly GenericResource[] | undefined {
    const { named } = this.#used;
    placed.generic ??= new Map();
    placed.named ??= new Set();
    const { generic, named: taken } = placed;
    const isTaken = (key: string): boolean => named.has(key) || taken.has(key);
    const given = chooseGeneric(this.node, asked, isTaken);
    for (const [kind, amount] of asked) generic.set(kind, (generic.get(kind) ?? 0) + amount);
    for (const key of namedOf(given)) taken.add(key);
    return given;
  }

  /** Forgets what {@link place} counted in. */
  forgetPlaced(): void {
    this.#placed = nothing;
  }
}
