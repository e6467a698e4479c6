import type { Clock, Timer } from '@shoal/runtime';
import type { SeededRandom } from './random.ts';
import type { StreamEnd } from './stream.ts';

/**
 * One simulated process: its clock stops and its streams break when it is killed, so that nothing of it
 * can act any more. A restart is a new process.
 */
export class SimulatedProcess {
  readonly name: string;
  readonly random: SeededRandom;
  readonly clock: Clock;
  readonly #streams = new Set<StreamEnd>();
  #alive = true;

  constructor(name: string, clock: Clock, random: SeededRandom) {
    this.name = name;
    this.random = random;
    this.clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, fire): Timer =>
        clock.after(delayMs, () => {
          if (this.#alive) fire();
        }),
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  owns(stream: StreamEnd): void {
    this.#streams.add(stream);
  }

  disowns(stream: StreamEnd): void {
    this.#streams.delete(stream);
  }

  /** All connections break; the process goes on. */
  breakStreams(): void {
    for (const stream of [...this.#streams]) stream.reset();
  }

  /** kill -9. */
  kill(): void {
    this.#alive = false;
    for (const stream of this.#streams) stream.breakOff();
    this.#streams.clear();
  }
}
