import type { Network, StateView } from '@shoal/state';
import { poolsOf, usedOf } from './address-pools.ts';
import { families } from './addresses.ts';

/** Part of its addresses from which on a network is said to fill up. */
const fillingShare = 0.8;
/** Part below which a network is said to fill up again when it does. */
const calmShare = 0.7;

/** A network that is about to run out of addresses. */
export interface Filling {
  readonly network: string;
  readonly subnets: string;
  readonly used: number;
  readonly size: number;
}

/** How much of the addresses is taken, of the family that has fewest left; from 0 to 1. */
export function usedRatio(view: StateView, network: Network): number {
  return Math.max(0, ...usesOf(view, network).map(({ used, size }) => used / size));
}

/** The family of which most is taken, if that is enough to warn of. */
function fillingOf(view: StateView, network: Network): Filling | undefined {
  return usesOf(view, network).find(({ used, size }) => used / size >= fillingShare);
}

function usesOf(view: StateView, network: Network): readonly Filling[] {
  return families.flatMap((family) => {
    const { pools, size } = poolsOf(network)[family];
    if (size === 0) return [];
    const used = usedOf(view, network, family);
    const subnets = pools.map(({ subnet }) => subnet).join(', ');
    return [{ network: network.spec.Name, subnets, used, size }];
  });
}

/** Which networks have been told of, so that each filling up is told once. */
export class FillingWatch {
  readonly #told = new Set<string>();
  readonly #tell: (filling: Filling) => void;

  constructor(tell: (filling: Filling) => void) {
    this.#tell = tell;
  }

  look(view: StateView, networkId: string): void {
    const network = view.networks.get(networkId);
    const filling = network && fillingOf(view, network);
    if (filling !== undefined && !this.#told.has(networkId)) {
      this.#told.add(networkId);
      this.#tell(filling);
    } else if (network === undefined || usedRatio(view, network) < calmShare)
      this.#told.delete(networkId);
  }
}
