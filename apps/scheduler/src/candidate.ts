import type { Node, NodeUsage } from '@shoal/state';
import { type Amounts, amountsOf } from './amounts.ts';
import type { Needs } from './filters/filter.ts';
import { hostPortsOf } from './host-ports.ts';

/** A node as one step sees it: what is committed, and on top what the step itself has placed there. */
export class Candidate {
  readonly node: Node;
  readonly #capacity: Amounts;
  readonly #used: NodeUsage;
  #nanoCpus = 0;
  #memoryBytes = 0;
  readonly #generic = new Map<string, number>();
  readonly #ports = new Set<string>();
  readonly #byService = new Map<string, number>();
  #placed = 0;

  constructor(node: Node, used: NodeUsage) {
    this.node = node;
    this.#capacity = amountsOf(node.description?.Resources);
    this.#used = used;
  }

  hasFree(asked: Amounts): boolean {
    const capacity = this.#capacity;
    if (asked.nanoCpus > capacity.nanoCpus - this.#used.nanoCpus - this.#nanoCpus) return false;
    if (asked.memoryBytes > capacity.memoryBytes - this.#used.memoryBytes - this.#memoryBytes)
      return false;
    for (const [kind, amount] of asked.generic)
      if (amount > (capacity.generic.get(kind) ?? 0) - this.#genericUsed(kind)) return false;
    return true;
  }

  hasPortFree(port: string): boolean {
    return !this.#ports.has(port) && (this.#used.hostPorts.get(port) ?? 0) === 0;
  }

  /** Tasks of the service that hold a place on the node, those being stopped included. */
  heldBy(serviceId: string): number {
    return (this.#used.tasksByService.get(serviceId) ?? 0) + this.placedFor(serviceId);
  }

  placedFor(serviceId: string): number {
    return this.#byService.get(serviceId) ?? 0;
  }

  /** Tasks that this step has placed here. */
  get placed(): number {
    return this.#placed;
  }

  place({ serviceId, spec }: Needs): void {
    const asked = amountsOf(spec.TaskTemplate.Resources?.Reservations);
    this.#nanoCpus += asked.nanoCpus;
    this.#memoryBytes += asked.memoryBytes;
    for (const [kind, amount] of asked.generic)
      this.#generic.set(kind, (this.#generic.get(kind) ?? 0) + amount);
    for (const port of hostPortsOf(spec)) this.#ports.add(port);
    this.#byService.set(serviceId, this.placedFor(serviceId) + 1);
    this.#placed += 1;
  }

  #genericUsed(kind: string): number {
    return (this.#used.generic.get(kind) ?? 0) + (this.#generic.get(kind) ?? 0);
  }
}
