import type { HostTable } from '@shoal/overlay';
import { NetworkZone } from './network-zone.ts';

/** Who asks, and what may be said to it. */
export interface Asker {
  /** Where its names are looked up, in this order. */
  readonly zones: readonly NetworkZone[];
  /**
   * Where all other names are asked for, `address:port`. Empty: not here. A container without a way out
   * must not get one through the host (CVE-2024-29018), and nameservers of its own are asked from inside
   * of it, where alone they may be reached: in both cases by the engine's resolver.
   */
  readonly upstreams: readonly string[];
}

/** All networks of this host, ready to be looked up. */
export class Zones {
  readonly #zones = new Map<string, NetworkZone>();
  #generation = 1;

  /** Another one whenever anything changes. */
  get generation(): number {
    return this.#generation;
  }

  get size(): number {
    return this.#zones.size;
  }

  get names(): number {
    let count = 0;
    for (const { namesCount } of this.#zones.values()) count += namesCount;
    return count;
  }

  /** By network id. */
  get all(): ReadonlyMap<string, NetworkZone> {
    return this.#zones;
  }

  set(networkId: string, table: HostTable): void {
    this.#generation += 1;
    const known = this.#zones.get(networkId);
    if (known === undefined) this.#zones.set(networkId, new NetworkZone(table));
    else known.update(table);
  }

  delete(networkId: string): void {
    this.#generation += 1;
    this.#zones.delete(networkId);
  }

  /**
   * The container at `address` that asked in this network. Undefined when the address is not of the
   * network: whoever answered it would send packets where nobody asked.
   */
  asker(networkId: string, address: string): Asker | undefined {
    const own = this.#zones.get(networkId);
    if (own === undefined) return undefined;
    const endpoint = own.asker(address);
    if (endpoint === undefined) {
      // Its container is not known yet, or it is the host itself.
      return own.contains(address)
        ? { zones: [own], upstreams: upstreamsOf([own], own) }
        : undefined;
    }
    const zones: NetworkZone[] = [];
    for (const id of endpoint.networks) {
      const zone = this.#zones.get(id);
      if (zone !== undefined) zones.push(zone);
    }
    if (!zones.includes(own)) zones.unshift(own);
    const hasOwn = endpoint.upstreams !== undefined && endpoint.upstreams.length > 0;
    return { zones, upstreams: hasOwn ? [] : upstreamsOf(zones, own) };
  }
}

function upstreamsOf(zones: readonly NetworkZone[], own: NetworkZone): readonly string[] {
  const wayOut = zones.some(({ network }) => !network.internal);
  return wayOut ? own.network.upstreams : [];
}
