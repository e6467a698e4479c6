import type { HostNetwork, HostNetworkChange } from '@shoal/overlay';
import type { HostNetworkUpdate, Served, ServedNetwork } from '@shoal/proto';
import type { EndpointRecord } from '@shoal/state';

/** Endpoints of one network that a slow consumer may be behind; then it gets all of that network. */
export const behindMax = 1_024;

/** The way to one consumer. */
export interface FollowerLink {
  /** False when the consumer is slow to read: nothing more until `drained`. */
  send(update: HostNetworkUpdate): boolean;
}

/** Where records are read from when they are sent. */
export interface FeedSource {
  /** Networks that are built. */
  networks(): ReadonlyMap<string, HostNetwork>;
  records(networkId: string): readonly EndpointRecord[];
  record(networkId: string, endpointId: string): EndpointRecord | undefined;
}

/** What a consumer has not been told of a network. */
interface Behind {
  network: boolean;
  /** Undefined: everything. */
  endpoints: Set<string> | undefined;
}

interface Follower {
  readonly link: FollowerLink;
  consumer: string;
  busy: boolean;
  /** Networks it was told of; undefined before the first update. */
  told: Set<string> | undefined;
  version: number;
  served: number;
  readonly networks: Map<string, ServedNetwork>;
  readonly behind: Map<string, Behind>;
  /** Who waits until a version is served. */
  readonly waiting: Set<{ readonly version: number; readonly done: () => void }>;
}

/** One consumer's end of the feed. */
export interface FeedEnd {
  received(served: Served): void;
  drained(): void;
  closed(): void;
}

const nothing: FeedSource = {
  networks: () => new Map(),
  records: () => [],
  record: () => undefined,
};

/**
 * Tells the host's resolver and balancer what its networks are, each as fast as it reads: what changed
 * meanwhile is gathered, and sent as it then is. Knows what they serve. Until it was opened nobody is told
 * anything, so that an agent that starts does not take away what is still served.
 */
export class HostFeed {
  readonly #followers = new Set<Follower>();
  #source = nothing;
  #open = false;
  #due = false;
  #onServed: () => void = () => undefined;

  /** `onServed` is called when what is served may have changed. */
  open(source: FeedSource, onServed: () => void): void {
    this.#source = source;
    this.#onServed = onServed;
    this.#open = true;
    for (const follower of this.#followers) this.#restart(follower);
  }

  /** This host is in no swarm: nothing is to be served. */
  openEmpty(): void {
    this.open(nothing, () => undefined);
  }

  /** What was told stays until it is opened again. */
  hold(): void {
    this.#open = false;
    this.#onServed = () => undefined;
    for (const { waiting } of this.#followers) {
      for (const { done } of waiting) done();
      waiting.clear();
    }
  }

  follow(link: FollowerLink): FeedEnd {
    const follower: Follower = {
      link,
      consumer: '',
      busy: false,
      told: undefined,
      version: 0,
      served: 0,
      networks: new Map(),
      behind: new Map(),
      waiting: new Set(),
    };
    return {
      received: (served) => this.#served(follower, served),
      drained: () => {
        follower.busy = false;
        this.#flush(follower);
      },
      closed: () => this.#closed(follower),
    };
  }

  /** The network itself came, changed or went. */
  networkChanged(networkId: string): void {
    for (const follower of this.#followers) behindOf(follower, networkId).network = true;
    this.#flushSoon();
  }

  recordsChanged(networkId: string, endpointIds: readonly string[]): void {
    if (endpointIds.length === 0 || !this.#source.networks().has(networkId)) return;
    for (const follower of this.#followers) {
      const behind = behindOf(follower, networkId);
      if (behind.endpoints === undefined) continue;
      for (const id of endpointIds) behind.endpoints.add(id);
      if (behind.endpoints.size > behindMax) behind.endpoints = undefined;
    }
    this.#flushSoon();
  }

  /** Sends all of the network again: what was made of it is not right. */
  renew(networkId: string): void {
    for (const follower of this.#followers) {
      const behind = behindOf(follower, networkId);
      behind.network = true;
      behind.endpoints = undefined;
    }
    this.#flushSoon();
  }

  /** Resolves when all consumers that are connected now serve what is so now, or have gone. */
  async settled(): Promise<void> {
    this.#flushAll();
    const waits = [...this.#followers].map((follower) => {
      const version = follower.version + (follower.behind.size > 0 ? 1 : 0);
      if (!this.#open || follower.served >= version) return undefined;
      return new Promise<void>((done) => follower.waiting.add({ version, done }));
    });
    await Promise.all(waits);
  }

  /** What the consumer says it serves of the network; undefined when it is not connected or does not. */
  servedBy(consumer: string, networkId: string): ServedNetwork | undefined {
    for (const follower of this.#followers) {
      if (follower.consumer !== consumer) continue;
      const served = follower.networks.get(networkId);
      if (served !== undefined) return served;
    }
    return undefined;
  }

  /** Endpoints of this host that cannot see who their clients are; undefined while no balancer says. */
  get unsteered(): ReadonlySet<string> | undefined {
    const balancer = [...this.#followers].find(
      ({ consumer, served }) => consumer === 'ingress-lb' && served > 0,
    );
    if (balancer === undefined) return undefined;
    return new Set([...balancer.networks.values()].flatMap(({ unsteered }) => unsteered));
  }

  /** How many problems each consumer that is connected tells of. */
  get problemCounts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { consumer, networks } of this.#followers) {
      const own = [...networks.values()].flatMap(({ problems }) => problems).length;
      counts.set(consumer, (counts.get(consumer) ?? 0) + own);
    }
    return counts;
  }

  get consumers(): readonly string[] {
    return [...this.#followers].map(({ consumer }) => consumer);
  }

  #served(follower: Follower, { consumer, version, networks }: Served): void {
    // The first message says who it is; from then on it is told.
    if (follower.consumer === '') {
      follower.consumer = consumer;
      this.#followers.add(follower);
      this.#restart(follower);
      return;
    }
    follower.served = Math.max(follower.served, version);
    follower.networks.clear();
    for (const network of networks) follower.networks.set(network.networkId, network);
    for (const waiter of follower.waiting) {
      if (waiter.version > follower.served) continue;
      follower.waiting.delete(waiter);
      waiter.done();
    }
    this.#onServed();
  }

  #closed(follower: Follower): void {
    this.#followers.delete(follower);
    for (const { done } of follower.waiting) done();
    follower.waiting.clear();
    this.#onServed();
  }

  #restart(follower: Follower): void {
    follower.told = undefined;
    follower.behind.clear();
    this.#flush(follower);
  }

  /** What changes in the same turn of the event loop goes together. */
  #flushSoon(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#flushAll();
    });
  }

  #flushAll(): void {
    for (const follower of this.#followers) this.#flush(follower);
  }

  #flush(follower: Follower): void {
    if (!this.#open || follower.busy || follower.consumer === '') return;
    const complete = follower.told === undefined;
    if (!complete && follower.behind.size === 0) return;
    const told = follower.told ?? new Set();
    follower.told = told;
    const changes = complete ? this.#everything() : this.#difference(follower.behind, told);
    follower.behind.clear();
    for (const { id, removed } of changes) removed ? told.delete(id) : told.add(id);
    follower.version += 1;
    const update = {
      version: follower.version,
      complete,
      changes: changes.map((change) => Buffer.from(JSON.stringify(change))),
    };
    if (!follower.link.send(update)) follower.busy = true;
  }

  #everything(): HostNetworkChange[] {
    return Array.from(this.#source.networks().values(), (network) => this.#whole(network));
  }

  #whole(network: HostNetwork): HostNetworkChange {
    const { id } = network;
    return { id, network, complete: true, records: this.#source.records(id), gone: [] };
  }

  #difference(behind: ReadonlyMap<string, Behind>, told: ReadonlySet<string>): HostNetworkChange[] {
    const networks = this.#source.networks();
    return Array.from(behind, ([id, { network: changed, endpoints }]): HostNetworkChange => {
      const network = networks.get(id);
      if (network === undefined) {
        return { id, removed: true, complete: true, records: [], gone: [] };
      }
      if (endpoints === undefined || !told.has(id)) return this.#whole(network);
      const records: EndpointRecord[] = [];
      const gone: string[] = [];
      for (const endpointId of endpoints) {
        const record = this.#source.record(id, endpointId);
        if (record === undefined) gone.push(endpointId);
        else records.push(record);
      }
      return { id, ...(changed ? { network } : {}), complete: false, records, gone };
    });
  }
}

function behindOf({ behind }: Follower, networkId: string): Behind {
  const known = behind.get(networkId);
  if (known !== undefined) return known;
  const fresh: Behind = { network: false, endpoints: new Set() };
  behind.set(networkId, fresh);
  return fresh;
}
