import type { NodeNetwork } from '@shoal/overlay';
import type { EngineResult } from '../executor/engine.ts';
import type { EngineNetwork, EngineNetworks } from './engine-networks.ts';
import { Queues } from './queues.ts';

/** What the engine calls the swarm's networks, as far as it has them. */
export class EngineNames {
  readonly #engine: EngineNetworks;
  readonly #known = new Map<string, EngineNetwork>();
  readonly #queue = new Queues();

  constructor(engine: EngineNetworks) {
    this.#engine = engine;
  }

  nameOf(networkId: string): string | undefined {
    return this.#known.get(networkId)?.name;
  }

  /** All that there are. */
  found(networks: readonly EngineNetwork[]): void {
    this.#known.clear();
    for (const network of networks) this.#known.set(network.networkId, network);
  }

  forget(networkId: string): void {
    this.#known.delete(networkId);
  }

  /** Nothing else is done to the engine's network meanwhile. */
  exclusively<T>(networkId: string, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(networkId, work);
  }

  async ensure(network: NodeNetwork): Promise<EngineResult<EngineNetwork>> {
    const known = this.#known.get(network.id);
    if (known !== undefined) return { kind: 'ok', value: known };
    const made = await this.exclusively(network.id, () => this.#engine.ensure(network));
    if (made.kind === 'ok') this.#known.set(network.id, made.value);
    return made;
  }

  /** To be called exclusively. True when the engine has it no more. */
  async remove(networkId: string): Promise<boolean> {
    const listed = await this.#engine.list();
    if (listed.kind === 'failed') return false;
    this.#known.delete(networkId);
    const found = listed.value.find((each) => each.networkId === networkId);
    return found === undefined || this.#engine.remove(found);
  }

  /** One that stands for no network of the swarm. */
  async removeStray(network: EngineNetwork): Promise<void> {
    await this.#engine.remove(network);
  }
}
