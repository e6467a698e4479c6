import type { GossipKey } from '@shoal/gossip';
import type { HostNetwork, LocalEndpoint, NodeNetwork } from '@shoal/overlay';
import type { EndpointRecord, TaskAssignment } from '@shoal/state';
import type {
  Ensured,
  GossipPort,
  HostReachability,
  OverlayPort,
  OwnHost,
  Push,
  PushOutcome,
} from '../network/ports.ts';
import { sampleHostNetwork } from './sample-network.ts';

/** A host's networks without a kernel: each is there when the test builds it. */
export class FakeOverlay implements OverlayPort {
  wanted: readonly NodeNetwork[] = [];
  own: OwnHost | undefined;
  readonly peers = new Map<string, readonly EndpointRecord[]>();
  readonly built = new Map<string, HostNetwork>();
  removed = false;
  /** Calls of `setPeers`. */
  programmings = 0;
  readonly #listeners = new Set<(networkId: string) => void>();

  configure(networks: readonly NodeNetwork[], own: OwnHost): void {
    this.wanted = networks;
    this.own = own;
  }

  build(id: string, more: Partial<HostNetwork> = {}): void {
    const { name = id } = this.wanted.find((each) => each.id === id) ?? {};
    this.built.set(id, sampleHostNetwork(id, { name, ...more }));
    this.tell(id);
  }

  /** A container joined; `tell` says so. */
  join(id: string, endpoint: LocalEndpoint): void {
    const network = this.built.get(id);
    if (network === undefined) throw new Error(`${id} is not built`);
    this.built.set(id, { ...network, local: [...network.local, endpoint] });
  }

  drop(id: string): void {
    this.built.delete(id);
    this.tell(id);
  }

  async ensure(networkId: string): Promise<Ensured> {
    return this.built.has(networkId)
      ? { kind: 'ok', engineNetwork: `engine-${networkId}` }
      : { kind: 'failed', message: 'no tunnel device' };
  }

  /** Ids of tasks that have a container. */
  readonly claimed: string[] = [];
  claim({ taskId }: TaskAssignment): void {
    this.claimed.push(taskId);
  }

  /** Attachments whose container was taken out of its network. */
  readonly evicted: string[] = [];
  evict(attachmentId: string): void {
    this.evicted.push(attachmentId);
  }

  setPeers(networkId: string, records: readonly EndpointRecord[]): void {
    this.peers.set(networkId, records);
    this.programmings += 1;
    // The kernel takes its time.
    setImmediate(() => this.tell(networkId));
  }

  programmedPeers(networkId: string): readonly EndpointRecord[] | undefined {
    return this.built.has(networkId) ? (this.peers.get(networkId) ?? []) : undefined;
  }

  hostNetworks(): readonly HostNetwork[] {
    return [...this.built.values()];
  }

  onChange(listener: (networkId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {}

  async remove(): Promise<void> {
    this.removed = true;
    this.built.clear();
  }

  tell(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}

type Heard = Parameters<Parameters<GossipPort['onChange']>[0]>;

/** The gossip of one host as the test plays the others. */
export class FakeGossip implements GossipPort {
  ring: readonly GossipKey[] = [];
  seeds: readonly { readonly nodeId: string; readonly addr: string }[] = [];
  readonly joined = new Set<string>();
  readonly published = new Map<string, EndpointRecord>();
  readonly pushed: Push[] = [];
  settled = 0;
  hosts: readonly HostReachability[] = [];
  /** What a push comes to; a test may hold it back. */
  outcome: () => Promise<PushOutcome> = async () => ({ acknowledged: ['h2'], missing: [] });
  applied: (networkId: string) => Promise<void> = async () => undefined;
  readonly #others = new Map<string, Map<string, EndpointRecord>>();
  readonly #listeners = new Set<(...heard: Heard) => void>();
  readonly #standing = new Set<() => void>();

  /** Other hosts say something. */
  hear(...[networkId, changed, gone]: Heard): void {
    for (const listener of this.#listeners) listener(networkId, changed, gone);
  }

  keys(ring: readonly GossipKey[]): void {
    this.ring = ring;
  }

  members(seeds: readonly { readonly nodeId: string; readonly addr: string }[]): void {
    this.seeds = seeds;
  }

  join(networkId: string): void {
    this.joined.add(networkId);
  }

  leave(networkId: string): void {
    this.joined.delete(networkId);
  }

  publish(record: EndpointRecord): void {
    this.published.set(`${record.networkId}/${record.endpointId}`, record);
  }

  withdraw(networkId: string, endpointId: string): void {
    this.published.delete(`${networkId}/${endpointId}`);
  }

  merge(networkId: string, records: readonly EndpointRecord[]): void {
    this.#others.set(networkId, new Map(records.map((each) => [each.endpointId, each])));
  }

  async push(push: Push): Promise<PushOutcome> {
    this.pushed.push(push);
    if (push.kind === 'record') this.publish(push.record);
    else this.withdraw(push.networkId, push.endpointId);
    return this.outcome();
  }

  records(networkId: string): readonly EndpointRecord[] {
    return [...(this.#others.get(networkId)?.values() ?? [])];
  }

  onChange(listener: (...heard: Heard) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onPush(applied: (networkId: string) => Promise<void>): void {
    this.applied = applied;
  }

  reachability(): readonly HostReachability[] {
    return this.hosts;
  }

  onStanding(listener: () => void): () => void {
    this.#standing.add(listener);
    return () => this.#standing.delete(listener);
  }

  /** From now on hosts are thought to be so. */
  judge(hosts: readonly HostReachability[]): void {
    this.hosts = hosts;
    for (const listener of this.#standing) listener();
  }

  settle(): void {
    this.settled += 1;
  }

  async close(): Promise<void> {}
}
