import type { HostTable, LocalEndpoint } from '@shoal/overlay';
import type { KernelCommands } from '@shoal/overlay/kernel';
import { errorMessage, type Logger } from '@shoal/runtime';
import { addressOf, type EndpointRecord } from '@shoal/state';
import { type Entrance, entrancesOf, type Reach, reachOf, steer } from './steering.ts';

interface Steered {
  readonly endpointId: string;
  readonly addresses: readonly string[];
  /** What it was last told; undefined when that failed. */
  readonly told: Told | undefined;
  readonly problem: string | undefined;
}

/** As texts. */
interface Told {
  /** The hosts: one text for all sandboxes that were told the same. */
  readonly common: string;
  readonly own: string;
}

/**
 * The ingress network's containers of this host, whose replies must go back the way the request came, and of
 * which others reach what is published.
 */
export class Sandboxes {
  readonly #commands: KernelCommands;
  readonly #logger: Logger;
  /** By path of the sandbox. */
  #steered = new Map<string, Steered>();
  #common = '';

  constructor(commands: KernelCommands, logger: Logger) {
    this.#commands = commands;
    this.#logger = logger;
  }

  /** Addresses of tasks that see the balancer instead of the client. */
  get unsteered(): ReadonlySet<string> {
    const addresses = new Set<string>();
    for (const { problem, addresses: own } of this.#steered.values()) {
      if (problem !== undefined) for (const address of own) addresses.add(address);
    }
    return addresses;
  }

  /** Ids of these tasks' endpoints, in order. */
  get unsteeredEndpoints(): readonly string[] {
    return [...this.#steered.values()]
      .flatMap(({ problem, endpointId }) => (problem === undefined ? [] : endpointId))
      .sort();
  }

  get problems(): readonly string[] {
    return [...this.#steered.values()]
      .map(({ problem }) => problem)
      .filter((problem) => problem !== undefined)
      .sort();
  }

  /**
   * Puts the rules into every sandbox that lacks them. `repaired`: one that had them had lost them;
   * `changed`: tasks that see the client's address are others now.
   */
  async steer(
    table: HostTable,
    audit = false,
  ): Promise<{ readonly repaired: boolean; readonly changed: boolean }> {
    const before = [...this.unsteered].sort().join();
    const entrances = entrancesOf(table);
    const common = this.#commonOf(entrances);
    const recordOf = recordFinder(table);
    let repaired = false;
    const next = new Map<string, Steered>();
    await Promise.all(
      table.network.local.map(async (endpoint) => {
        const known = this.#steered.get(endpoint.sandbox);
        const { addresses, sandbox } = endpoint;
        const record = recordOf(endpoint);
        // What is open stays so until it is known what is published; nothing leads to the container until then.
        if (record === undefined) {
          if (known !== undefined) next.set(sandbox, { ...known, problem: undefined });
          return;
        }
        const { endpointId, serving } = record;
        const reach = reachOf(record, endpoint);
        const told = { common, own: JSON.stringify(reach) };
        const isTold = known?.told?.common === common && known.told.own === told.own;
        if (!audit && isTold) {
          next.set(sandbox, { ...known, addresses, endpointId });
          return;
        }
        const { problem, changed } = await this.#tell(sandbox, entrances, reach);
        if (problem === undefined && changed && isTold) repaired = true;
        // Before it is served its interface may not be up, and afterwards it goes away: tried again while it is.
        const sentence =
          problem === undefined || !serving
            ? undefined
            : `${endpointId} sees the balancer instead of its clients: ${problem}`;
        next.set(sandbox, {
          endpointId,
          addresses,
          told: problem === undefined ? told : undefined,
          problem: sentence,
        });
      }),
    );
    this.#steered = next;
    return { repaired, changed: before !== [...this.unsteered].sort().join() };
  }

  forgetAll(): void {
    this.#steered.clear();
  }

  /** The text of before while it is equal: comparing it costs nothing, nor does keeping it. */
  #commonOf(entrances: readonly Entrance[]): string {
    const text = JSON.stringify(entrances);
    if (text !== this.#common) this.#common = text;
    return this.#common;
  }

  async #tell(
    sandbox: string,
    entrances: readonly Entrance[],
    reach: Reach,
  ): Promise<{ readonly problem: string | undefined; readonly changed: boolean }> {
    try {
      const { outcome, changed } = await steer(this.#commands, sandbox, entrances, reach);
      if (outcome.kind === 'applied') return { problem: undefined, changed };
      this.#logger.info({ sandbox, reason: outcome.message }, 'sandbox_not_steered');
      return { problem: outcome.message, changed };
    } catch (error) {
      return { problem: errorMessage(error), changed: false };
    }
  }
}

/** A task's container may be known by the engine's id alone: then its address says whose it is. */
function recordFinder({
  records,
}: HostTable): (endpoint: LocalEndpoint) => EndpointRecord | undefined {
  let tasks: ReadonlyMap<string, EndpointRecord> | undefined;
  return ({ endpointId, addresses }) => {
    const known = records.get(endpointId);
    if (known !== undefined) return known;
    tasks ??= tasksByAddress(records.values());
    for (const address of addresses) {
      const task = tasks.get(addressOf(address));
      if (task !== undefined) return task;
    }
    return undefined;
  };
}

function tasksByAddress(records: Iterable<EndpointRecord>): ReadonlyMap<string, EndpointRecord> {
  const tasks = new Map<string, EndpointRecord>();
  for (const record of records) {
    if (record.kind !== 'task') continue;
    for (const address of record.addresses) tasks.set(address, record);
  }
  return tasks;
}
