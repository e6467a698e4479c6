import type { Monotonic } from '@shoal/runtime';
import { registrationEveryMs, registrationsMax } from './limits.ts';

interface Allowance {
  /** Registrations that may follow at once; a fraction has begun to come back. */
  readonly left: number;
  readonly at: Monotonic;
}

/**
 * A node may register {@link registrationsMax} times in a row, and gets one more chance every
 * {@link registrationEveryMs}. An agent that is restarted often is back within that time, one that
 * loops cannot take more than its share.
 */
export class RegistrationLimit {
  readonly #allowances = new Map<string, Allowance>();

  admit(nodeId: string, now: Monotonic): boolean {
    const before = this.#allowances.get(nodeId) ?? { left: registrationsMax, at: now };
    const regained = (now - before.at) / registrationEveryMs;
    const left = Math.min(registrationsMax, before.left + regained);
    if (left < 1) return false;
    this.#allowances.set(nodeId, { left: left - 1, at: now });
    return true;
  }

  forget(nodeId: string): void {
    this.#allowances.delete(nodeId);
  }
}
