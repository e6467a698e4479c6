import type { FeedEnd, HostFeed } from '@shoal/agent';
import { type HostNetworkChange, HostTables, servedDigest } from '@shoal/overlay';
import type { HostNetworkUpdate } from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';
import type { SeededRandom } from '@shoal/sim';

export type ConsumerName = 'dns' | 'ingress-lb';
const digestOf = { dns: 'names', 'ingress-lb': 'balancer' } as const;

/** What it takes to serve an update, milliseconds. */
const serveMs = { min: 1, max: 80 } as const;
const reconnectMs = 50;

/**
 * The host's resolver or balancer: folds what the agent tells, serves it a moment later and says so. What
 * it serves stays while no agent is there.
 */
export class FakeConsumer {
  readonly name: ConsumerName;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  #tables = new HostTables();
  #feed: (() => HostFeed | undefined) | undefined;
  #end: FeedEnd | undefined;
  #version = 0;
  #working: Timer | undefined;
  #updates: HostNetworkUpdate[] = [];

  constructor(name: ConsumerName, clock: Clock, random: SeededRandom) {
    this.name = name;
    this.#clock = clock;
    this.#random = random;
  }

  /** Follows whatever agent is there. */
  start(feed: () => HostFeed | undefined): void {
    this.#feed = feed;
    this.#connect();
  }

  /** The agent is gone, and comes back at some time. */
  agentGone(): void {
    this.#end = undefined;
    this.#updates = [];
    this.#working?.cancel();
    this.#working = undefined;
    this.#clock.after(reconnectMs, () => this.#connect());
  }

  /** kill -9, and a start at once, with nothing of what it knew. */
  crash(): void {
    this.#end?.closed();
    this.#tables = new HostTables();
    this.agentGone();
  }

  /** Undefined where it has no such network. */
  digest(networkId: string): string | undefined {
    const table = this.#tables.networks.get(networkId);
    return table && servedDigest(table.records.values(), digestOf[this.name]);
  }

  get networks(): readonly string[] {
    return [...this.#tables.networks.keys()];
  }

  #connect(): void {
    if (this.#end !== undefined) return;
    const feed = this.#feed?.();
    if (feed === undefined) {
      this.#clock.after(reconnectMs, () => this.#connect());
      return;
    }
    const end = feed.follow({
      send: (update) => {
        // Word of an agent that is dead by now.
        if (this.#end !== end) return true;
        this.#updates.push(update);
        this.#work(end);
        return true;
      },
    });
    this.#end = end;
    end.received({ consumer: this.name, version: 0, networks: [] });
  }

  #work(end: FeedEnd): void {
    this.#working ??= this.#clock.after(this.#random.between(serveMs.min, serveMs.max), () => {
      this.#working = undefined;
      if (this.#end !== end) return;
      for (const update of this.#updates.splice(0)) this.#fold(update);
      end.received({
        consumer: this.name,
        version: this.#version,
        networks: this.networks.map((networkId) => {
          return { networkId, digest: this.digest(networkId) ?? '', problems: [], unsteered: [] };
        }),
      });
    });
  }

  #fold({ version, complete, changes }: HostNetworkUpdate): void {
    const read = changes.map((change) => JSON.parse(change.toString()) as HostNetworkChange);
    this.#tables.fold(read, complete);
    this.#version = version;
  }
}
