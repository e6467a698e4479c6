import { type Demand, namedOf } from '../demand.ts';
import type { Task } from '../objects.ts';
import type { NodeUsage } from '../view.ts';

/** What is taken on one node, counted up and down as tasks begin and cease to hold. */
class Usage implements NodeUsage {
  nanoCpus = 0;
  memoryBytes = 0;
  tasks = 0;
  readonly generic = new Map<string, number>();
  readonly named = new Set<string>();
  readonly hostPorts = new Map<string, number>();
  readonly tasksByService = new Map<string, number>();

  /** `sign` is 1 when a task begins to hold, -1 when it ceases. */
  count(task: Task, demand: Demand, sign: 1 | -1): void {
    this.nanoCpus += sign * demand.nanoCpus;
    this.memoryBytes += sign * demand.memoryBytes;
    this.tasks += sign;
    addTo(this.tasksByService, task.serviceId, sign);
    for (const [kind, amount] of demand.generic) addTo(this.generic, kind, sign * amount);
    for (const { key } of demand.hostPorts) addTo(this.hostPorts, key, sign);
    for (const key of namedOf(task.genericResources))
      if (sign === 1) this.named.add(key);
      else this.named.delete(key);
  }
}

function addTo(counts: Map<string, number>, key: string, amount: number): void {
  const sum = (counts.get(key) ?? 0) + amount;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}

const nothing: NodeUsage = new Usage();

/**
 * The usage of every node on which a task has held something. It stays the same object as long as the
 * node is there, so that readers may keep it.
 */
export class UsageTable {
  readonly #nodes = new Map<string, Usage>();

  of(nodeId: string): NodeUsage {
    return this.#nodes.get(nodeId) ?? nothing;
  }

  count(task: Task, demand: Demand, sign: 1 | -1): void {
    const { nodeId } = task;
    let usage = this.#nodes.get(nodeId);
    if (usage === undefined) {
      usage = new Usage();
      this.#nodes.set(nodeId, usage);
    }
    usage.count(task, demand, sign);
  }

  /** The node is gone: what it has is kept only while tasks hold it. */
  dropIfEmpty(nodeId: string): void {
    if (this.#nodes.get(nodeId)?.tasks === 0) this.#nodes.delete(nodeId);
  }
}
