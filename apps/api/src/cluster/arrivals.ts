/** How a host that is on its way into a swarm ends up. */
export type Arrival =
  | { readonly kind: 'arrived' }
  | { readonly kind: 'refused'; readonly message: string };

/** A promise that can be handed through others without being awaited there. */
export interface Arriving {
  readonly arrival: Promise<Arrival>;
}

/** Commands that wait for the host to arrive where it is going. */
export class Arrivals {
  readonly #waiting = new Set<(arrival: Arrival) => void>();

  /** The next arrival or refusal. */
  next(): Arriving {
    return { arrival: new Promise((resolve) => this.#waiting.add(resolve)) };
  }

  arrived(): void {
    this.#tell({ kind: 'arrived' });
  }

  refused(message: string): void {
    this.#tell({ kind: 'refused', message });
  }

  #tell(arrival: Arrival): void {
    for (const resolve of this.#waiting) resolve(arrival);
    this.#waiting.clear();
  }
}
