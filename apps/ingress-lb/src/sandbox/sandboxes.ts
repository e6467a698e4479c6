import type { HostTable, LocalEndpoint } from '@shoal/overlay';
import type { KernelCommands } from '@shoal/overlay/kernel';
import { errorMessage, type Logger } from '@shoal/runtime';
import { byFamily } from '../desired/desired.ts';
import { type Entrance, entrancesOf, steer } from './steering.ts';

interface Steered {
  readonly endpointId: string;
  readonly addresses: readonly string[];
  /** What it was last told, as text; undefined when that failed. */
  readonly told: string | undefined;
  readonly problem: string | undefined;
}

/** The ingress network's containers of this host, whose replies must go back the way the request came. */
export class Sandboxes {
  readonly #commands: KernelCommands;
  readonly #logger: Logger;
  /** By path of the sandbox. */
  #steered = new Map<string, Steered>();

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
    const told = JSON.stringify(entrances);
    let repaired = false;
    const next = new Map<string, Steered>();
    await Promise.all(
      table.network.local.map(async (endpoint) => {
        const known = this.#steered.get(endpoint.sandbox);
        const { addresses, sandbox, endpointId } = endpoint;
        if (!audit && known?.told === told) {
          next.set(sandbox, { ...known, addresses, endpointId });
          return;
        }
        const { problem, changed } = await this.#tell(endpoint, entrances);
        if (problem === undefined && changed && known?.told === told) repaired = true;
        // Before it is served its interface may not be up, and afterwards it goes away: tried again while it is.
        const isServed = table.records.get(endpointId)?.serving === true;
        const sentence =
          problem === undefined || !isServed
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

  async #tell(
    { sandbox, addresses }: LocalEndpoint,
    entrances: readonly Entrance[],
  ): Promise<{ readonly problem: string | undefined; readonly changed: boolean }> {
    try {
      const { outcome, changed } = await steer(
        this.#commands,
        sandbox,
        entrances,
        byFamily(addresses).v4,
      );
      if (outcome.kind === 'applied') return { problem: undefined, changed };
      this.#logger.info({ sandbox, reason: outcome.message }, 'sandbox_not_steered');
      return { problem: outcome.message, changed };
    } catch (error) {
      return { problem: errorMessage(error), changed: false };
    }
  }
}
