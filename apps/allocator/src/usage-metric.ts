import { hasAddresses, type StateView } from '@shoal/state';
import { Gauge, type Registry } from 'prom-client';
import { usedRatio } from './usage.ts';

/** The metric of all networks that have addresses, read from the view of the moment it is asked for. */
export class UsageMetric {
  #view: StateView | undefined;

  /** Reports what this view shows from now on; a view of undefined ends that. */
  follow(view: StateView | undefined): void {
    this.#view = view;
  }

  register(registry: Registry): void {
    const view = (): StateView | undefined => this.#view;
    new Gauge({
      name: 'shoal_allocator_subnet_used_ratio',
      help: 'Part of the addresses of a network that is taken, from 0 to 1.',
      labelNames: ['network'],
      registers: [registry],
      collect() {
        this.reset();
        const now = view();
        if (now === undefined) return;
        for (const network of now.networks.values())
          if (hasAddresses(network) && network.allocation !== undefined)
            this.set({ network: network.spec.Name }, usedRatio(now, network));
      },
    });
  }
}
