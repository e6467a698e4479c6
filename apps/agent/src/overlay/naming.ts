import { Queues } from './queues.ts';

/** Pause until the engine knows the name of a container that it is just starting, milliseconds. */
const pauseMs = 500;

export interface NamingOptions {
  /** Tells the names of a network's containers. */
  readonly name: (networkId: string) => Promise<void>;
  readonly later: (ms: number, work: () => Promise<void>) => void;
}

/** Containers that start soon after each other are named by one look at their network, one look at a time. */
export class Naming {
  readonly #options: NamingOptions;
  /** Networks in whose pause containers may still come. */
  readonly #pausing = new Set<string>();
  /** Networks whose next look has not begun. */
  readonly #waiting = new Set<string>();
  readonly #looks = new Queues();

  constructor(options: NamingOptions) {
    this.#options = options;
  }

  /** A container has joined the network. */
  due(networkId: string): void {
    if (this.#pausing.has(networkId)) return;
    this.#pausing.add(networkId);
    this.#options.later(pauseMs, () => this.#look(networkId));
  }

  async #look(networkId: string): Promise<void> {
    this.#pausing.delete(networkId);
    if (this.#waiting.has(networkId)) return;
    this.#waiting.add(networkId);
    await this.#looks.run(networkId, () => {
      this.#waiting.delete(networkId);
      return this.#options.name(networkId);
    });
  }
}
