import { type ContainerUsage, containerStats, containerUsage } from '@shoal/docker-api';
import type { Clock, Monotonic } from '@shoal/runtime';
import { swarmLabels } from '../executor/container-config.ts';
import type { EngineHttp } from '../executor/engine-http.ts';
import { Limiter } from '../executor/limiter.ts';
import { ownersAnswer, readOwners, type UsageOwner } from './usage-owners.ts';

/** Containers that are asked about at the same time. */
const atOnce = 8;
/** After it the answers that are there must do: an engine that hangs holds up nobody who only looks; milliseconds. */
const readMsMax = 4_000;
/** Who looks again before is told the same, milliseconds. */
const freshMs = 2_000;

export interface TaskUsage extends UsageOwner, ContainerUsage {}

export interface UsageReaderOptions {
  readonly http: Pick<EngineHttp, 'json'>;
  /** Undefined while the host is in no swarm. */
  readonly nodeId: () => string | undefined;
  readonly hostMemoryBytes: number;
  readonly clock: Clock;
}

/** What the running containers of this node's tasks have used, asked of the engine when somebody looks. */
export class UsageReader {
  readonly #options: UsageReaderOptions;
  #last: { readonly at: Monotonic; readonly usage: Promise<readonly TaskUsage[]> } | undefined;

  constructor(options: UsageReaderOptions) {
    this.#options = options;
  }

  /** Never fails: what could not be had in time is left out. */
  read(): Promise<readonly TaskUsage[]> {
    const now = this.#options.clock.monotonic();
    if (this.#last === undefined || now - this.#last.at >= freshMs)
      this.#last = { at: now, usage: this.#read() };
    return this.#last.usage;
  }

  /** Undefined where the engine does not say. */
  async usageOf(containerId: string, signal: AbortSignal): Promise<ContainerUsage | undefined> {
    if (signal.aborted) return undefined;
    const { http, hostMemoryBytes } = this.#options;
    // Without `one-shot` the engine would wait a second for a share of the processors.
    const query = { stream: '0', 'one-shot': '1' };
    const path = `/containers/${containerId}/stats`;
    const call = { method: 'GET', path, query, signal } as const;
    const answer = await http.json('usage', call, containerStats);
    return answer.kind === 'ok' ? containerUsage(answer.value, hostMemoryBytes) : undefined;
  }

  async #read(): Promise<readonly TaskUsage[]> {
    const { clock, nodeId } = this.#options;
    const node = nodeId();
    if (node === undefined) return [];
    const patience = new AbortController();
    const timer = clock.after(readMsMax, () => patience.abort());
    try {
      const places = new Limiter(atOnce);
      const owners = await this.#owners(node, patience.signal);
      const all = owners.map((owner) =>
        places.run(async (): Promise<readonly TaskUsage[]> => {
          const usage = await this.usageOf(owner.containerId, patience.signal);
          return usage === undefined ? [] : [{ ...owner, ...usage }];
        }),
      );
      return (await Promise.all(all)).flat();
    } finally {
      timer.cancel();
    }
  }

  async #owners(nodeId: string, signal: AbortSignal): Promise<readonly UsageOwner[]> {
    const filters = { label: [`${swarmLabels.nodeId}=${nodeId}`], status: ['running'] };
    const query = { filters: JSON.stringify(filters) };
    const call = { method: 'GET', path: '/containers/json', query, signal } as const;
    const listed = await this.#options.http.json('usage_list', call, ownersAnswer);
    return listed.kind === 'ok' ? readOwners(listed.value) : [];
  }
}
