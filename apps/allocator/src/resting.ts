import type { Instant } from '@shoal/runtime';
import type { Network, NetworkSubnet } from '@shoal/state';

/**
 * How long subnets and identifiers of a deleted network are not given to the next one, milliseconds: hosts
 * may be slow to take down what bears the same identifier.
 */
export const restMs = 60_000;
/** Subnets that rest at once; beyond it the oldest are free. */
const restingMax = 1_024;

/** What deleted networks had. Lost with the process. */
export class Resting {
  #subnets: { readonly subnet: NetworkSubnet; readonly until: number }[] = [];

  deleted({ allocation }: Network, now: Instant): void {
    for (const subnet of allocation?.subnets ?? [])
      this.#subnets.push({ subnet, until: now + restMs });
    this.#subnets = this.#subnets.slice(-restingMax);
  }

  at(now: Instant): readonly NetworkSubnet[] {
    this.#subnets = this.#subnets.filter(({ until }) => until > now);
    return this.#subnets.map(({ subnet }) => subnet);
  }
}
