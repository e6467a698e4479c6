import type { Monotonic } from '@shoal/runtime';

interface Allowance {
  /** Times that may follow at once; a fraction has begun to come back. */
  readonly left: number;
  readonly at: Monotonic;
}

/**
 * How often a node may do something that costs others: `most` times in a row, and once more every `everyMs`
 * milliseconds. An agent that is restarted often is back within that time, one that loops cannot take more than
 * its share.
 */
export class NodeAllowance {
  readonly #most: number;
  readonly #everyMs: number;
  readonly #allowances = new Map<string, Allowance>();

  constructor(most: number, everyMs: number) {
    this.#most = most;
    this.#everyMs = everyMs;
  }

  /** Whether it may now; refused times cost nothing. */
  admit(nodeId: string, now: Monotonic): boolean {
    const before = this.#allowances.get(nodeId) ?? { left: this.#most, at: now };
    const left = Math.min(this.#most, before.left + (now - before.at) / this.#everyMs);
    if (left < 1) return false;
    this.#allowances.set(nodeId, { left: left - 1, at: now });
    return true;
  }

  forget(nodeId: string): void {
    this.#allowances.delete(nodeId);
  }
}
