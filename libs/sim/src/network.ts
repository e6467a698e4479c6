import type { Clock } from '@shoal/runtime';
import type { SeededRandom } from './random.ts';

export interface NetworkFaults {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  /** Probability that a message is lost; 0 for links that stand for TCP streams. */
  readonly loss: number;
}

/**
 * Ordered links between named endpoints, as TCP gives them: messages between two endpoints arrive in
 * order, late, or (when an end died or a partition stands) never.
 */
export class SimulatedNetwork {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #faults: NetworkFaults;
  readonly #lastArrival = new Map<string, number>();
  readonly #cut = new Set<string>();
  readonly #extraMs = new Map<string, number>();

  constructor(clock: Clock, random: SeededRandom, faults: NetworkFaults) {
    this.#clock = clock;
    this.#random = random;
    this.#faults = faults;
  }

  /** Delivers after a random delay, never before an earlier message of the same link. */
  send(from: string, to: string, deliver: () => void): void {
    if (this.#random.chance(this.#faults.loss) || this.#isCut(from, to)) return;
    const link = `${from}>${to}`;
    const { delayMsMin, delayMsMax } = this.#faults;
    const now = this.#clock.monotonic();
    const arrival = Math.max(
      now + delayMsMin + this.#random.next() * (delayMsMax - delayMsMin) + this.#late(from, to),
      this.#lastArrival.get(link) ?? 0,
    );
    this.#lastArrival.set(link, arrival);
    this.#clock.after(arrival - now, () => {
      if (!this.#isCut(from, to)) deliver();
    });
  }

  /** Nothing passes to or from `endpoint` until it is healed. */
  cut(endpoint: string): void {
    this.#cut.add(endpoint);
  }

  heal(endpoint: string): void {
    this.#cut.delete(endpoint);
  }

  /** Everything to and from `endpoint` arrives so much later, milliseconds; 0 ends it. */
  delay(endpoint: string, extraMs: number): void {
    if (extraMs === 0) this.#extraMs.delete(endpoint);
    else this.#extraMs.set(endpoint, extraMs);
  }

  #late(from: string, to: string): number {
    return (this.#extraMs.get(from) ?? 0) + (this.#extraMs.get(to) ?? 0);
  }

  #isCut(from: string, to: string): boolean {
    return this.#cut.has(from) || this.#cut.has(to);
  }
}
