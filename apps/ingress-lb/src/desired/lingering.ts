import type { HostTable } from '@shoal/overlay';
import { addressOf } from '@shoal/state';

/** How long the address of a service without any task refuses connections, milliseconds. */
export const lingerMs = 60_000;
/** Addresses of one network that linger; beyond it clients time out. */
const lingeringMax = 1_024;

/**
 * Virtual addresses of services whose last task is gone. Clients that still know one are refused at once,
 * where without it they would wait for an answer of nobody.
 */
export class Lingering {
  /** Until when, by address. */
  readonly #until = new Map<string, number>();
  #present: readonly string[] = [];

  /** `wanted` and those that were wanted until lately and that nobody else has since, in order. */
  with(wanted: readonly string[], table: HostTable, now: number): readonly string[] {
    const wantedNow = new Set(wanted);
    for (const address of this.#present) {
      if (wantedNow.has(address) || this.#until.size >= lingeringMax) continue;
      this.#until.set(address, now + lingerMs);
    }
    this.#present = wanted;
    const taken = takenAddresses(table);
    for (const [address, until] of this.#until) {
      if (wantedNow.has(address) || taken.has(address) || until <= now) {
        this.#until.delete(address);
      }
    }
    return [...wanted, ...this.#until.keys()].sort();
  }

  /** Whether some have lingered long enough. */
  isOver(now: number): boolean {
    return [...this.#until.values()].some((until) => until <= now);
  }
}

function takenAddresses({ network, records }: HostTable): ReadonlySet<string> {
  const taken = new Set<string>();
  for (const { addresses } of records.values()) for (const each of addresses) taken.add(each);
  for (const each of network.balancerAddresses) taken.add(addressOf(each));
  for (const { gateway } of network.subnets) taken.add(gateway);
  return taken;
}
