import {
  type Amounts,
  capacityOf,
  demandOf,
  type Node,
  type NodeUsage,
  type Revision,
} from '@shoal/state';
import type { Ledger } from './ledger.ts';
import { hashOf } from './ranking.ts';

/** A node as one step sees it: what is committed, and on top what the step itself has placed there. */
export class Candidate {
  readonly node: Node;
  readonly hash: number;
  readonly #used: NodeUsage;
  readonly #ledger: Ledger;
  #nanoCpus = 0;
  #memoryBytes = 0;
  readonly #generic = new Map<string, number>();
  readonly #ports = new Set<string>();
  readonly #byService = new Map<string, number>();
  #placed = 0;

  constructor(node: Node, used: NodeUsage, ledger: Ledger) {
    this.node = node;
    this.hash = hashOf(node.id);
    this.#used = used;
    this.#ledger = ledger;
  }

  hasFree(asked: Amounts): boolean {
    const capacity = capacityOf(this.node);
    const used = this.#used;
    if (asked.nanoCpus > capacity.nanoCpus - used.nanoCpus - this.#nanoCpus) return false;
    if (asked.memoryBytes > capacity.memoryBytes - used.memoryBytes - this.#memoryBytes)
      return false;
    for (const [kind, amount] of asked.generic) {
      const taken = (used.generic.get(kind) ?? 0) + (this.#generic.get(kind) ?? 0);
      if (amount > (capacity.generic.get(kind) ?? 0) - taken) return false;
    }
    return true;
  }

  hasPortFree(port: string): boolean {
    return !this.#ports.has(port) && !this.#used.hostPorts.has(port);
  }

  /** Tasks of the service on the node, without those that were told to stop. */
  tasksOf(serviceId: string): number {
    return this.#ledger.tasksOf(this.node.id, serviceId) + (this.#byService.get(serviceId) ?? 0);
  }

  /** All tasks on the node, without those that were told to stop. */
  get tasks(): number {
    return this.#ledger.tasks(this.node.id) + this.#placed;
  }

  /** Whether this step has placed a task here. */
  get isTaken(): boolean {
    return this.#placed > 0;
  }

  place(revision: Revision): void {
    const { nanoCpus, memoryBytes, generic, hostPorts } = demandOf(revision);
    const { serviceId } = revision;
    this.#nanoCpus += nanoCpus;
    this.#memoryBytes += memoryBytes;
    for (const [kind, amount] of generic)
      this.#generic.set(kind, (this.#generic.get(kind) ?? 0) + amount);
    for (const { key } of hostPorts) this.#ports.add(key);
    this.#byService.set(serviceId, (this.#byService.get(serviceId) ?? 0) + 1);
    this.#placed += 1;
  }
}
