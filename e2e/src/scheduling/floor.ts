import { setTimeout as pause } from 'node:timers/promises';
import type { Machine } from '../hosts/machine.ts';
import { healthyOn } from './services.ts';

const betweenSamplesMs = 50;

/** Watches how many healthy containers a service has on all machines that are up, from now until `stop`. */
export class Floor {
  readonly #machines: readonly Machine[];
  readonly #service: string;
  readonly #ended: Promise<void>;
  #going = true;
  #counts: number[] = [];

  constructor(machines: readonly Machine[], service: string) {
    this.#machines = machines;
    this.#service = service;
    this.#ended = this.#run();
  }

  /** The newest sample. */
  get last(): number | undefined {
    return this.#counts.at(-1);
  }

  /** Begins anew. */
  forget(): void {
    this.#counts = [];
  }

  async stop(): Promise<{
    readonly least: number;
    readonly most: number;
    readonly samples: number;
  }> {
    this.#going = false;
    await this.#ended;
    const counts = this.#counts;
    return { least: Math.min(...counts), most: Math.max(...counts), samples: counts.length };
  }

  async #run(): Promise<void> {
    while (this.#going) {
      const counts = this.#counts;
      const each = this.#machines.map((machine) => healthyOn(machine, this.#service));
      const healthy = (await Promise.all(each)).reduce((sum, count) => sum + count, 0);
      counts.push(healthy);
      await pause(betweenSamplesMs);
    }
  }
}
