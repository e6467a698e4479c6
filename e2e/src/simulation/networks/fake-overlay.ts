import type { Ensured, OverlayPort } from '@shoal/agent';
import type { HostNetwork, NodeNetwork } from '@shoal/overlay';
import type { Clock } from '@shoal/runtime';
import type { SeededRandom, SimulatedProcess } from '@shoal/sim';
import type { EndpointRecord } from '@shoal/state';

/** What the kernel takes for a change, milliseconds. */
const workMs = { min: 1, max: 60 } as const;
const retryMs = 500;

/** A host's kernel: what is built and programmed there outlives the agent that did it. */
export class FakeKernel {
  readonly built = new Map<string, HostNetwork>();
  readonly peers = new Map<string, readonly EndpointRecord[]>();
  /** Nothing that is asked of it works. */
  isBroken = false;

  reboot(): void {
    this.built.clear();
    this.peers.clear();
  }
}

/** The overlay driver of one agent's life. */
export class FakeOverlay implements OverlayPort {
  readonly #kernel: FakeKernel;
  readonly #process: SimulatedProcess;
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #listeners = new Set<(networkId: string) => void>();
  #wanted = new Map<string, NodeNetwork>();
  readonly #wantedPeers = new Map<string, readonly EndpointRecord[]>();
  readonly #working = new Set<string>();

  constructor(kernel: FakeKernel, process: SimulatedProcess) {
    this.#kernel = kernel;
    this.#process = process;
    this.#clock = process.clock;
    this.#random = process.random.fork();
  }

  configure(networks: readonly NodeNetwork[]): void {
    this.#wanted = new Map(networks.map((network) => [network.id, network]));
    for (const id of new Set([...this.#wanted.keys(), ...this.#kernel.built.keys()]))
      this.#work(id);
  }

  async ensure(networkId: string): Promise<Ensured> {
    return this.#kernel.built.has(networkId)
      ? { kind: 'ok', engineNetwork: networkId }
      : { kind: 'failed', message: 'it is not built yet' };
  }

  claim(): void {}

  evict(): void {}

  setPeers(networkId: string, records: readonly EndpointRecord[]): void {
    this.#wantedPeers.set(networkId, records);
    this.#work(networkId);
  }

  programmedPeers(networkId: string): readonly EndpointRecord[] | undefined {
    if (!this.#kernel.built.has(networkId)) return undefined;
    return this.#kernel.peers.get(networkId) ?? [];
  }

  hostNetworks(): readonly HostNetwork[] {
    return [...this.#kernel.built.values()];
  }

  onChange(listener: (networkId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  async remove(): Promise<void> {
    this.#kernel.reboot();
  }

  /** One piece of work at a time for each network; it takes what is wanted when it is done. */
  #work(id: string): void {
    if (this.#working.has(id)) return;
    this.#working.add(id);
    this.#clock.after(this.#random.between(workMs.min, workMs.max), () => {
      this.#working.delete(id);
      if (!this.#process.alive) return;
      if (this.#kernel.isBroken) {
        this.#clock.after(retryMs, () => this.#work(id));
        return;
      }
      if (this.#apply(id)) for (const listener of this.#listeners) listener(id);
    });
  }

  #apply(id: string): boolean {
    const { built, peers } = this.#kernel;
    const network = this.#wanted.get(id);
    if (network === undefined) {
      peers.delete(id);
      return built.delete(id);
    }
    if (network.balancerAddresses.length === 0 && !built.has(id)) return false;
    built.set(id, builtNetwork(network));
    const wanted = this.#wantedPeers.get(id);
    if (wanted !== undefined) peers.set(id, wanted);
    return true;
  }
}

function builtNetwork(network: NodeNetwork): HostNetwork {
  const { id, name, subnets, internal, ingress, balancerAddresses } = network;
  return {
    ...{ id, name, subnets, internal, ingress, balancerAddresses },
    ...{ namespace: `/run/netns/${id}`, mtu: 1_450, upstreams: [], local: [] },
  };
}
