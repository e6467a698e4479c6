import type { Monotonic } from '@shoal/runtime';
import { registrationsMax, registrationWindowMs } from './limits.ts';

interface Window {
  readonly lastMs: Monotonic;
  readonly count: number;
}

/**
 * At most {@link registrationsMax} registrations of a node follow each other closely. The count starts
 * anew when the last accepted one is older than {@link registrationWindowMs}; refused ones do not count.
 */
export class RegistrationLimit {
  readonly #windows = new Map<string, Window>();

  admit(nodeId: string, now: Monotonic): boolean {
    const window = this.#windows.get(nodeId);
    const fresh = window === undefined || now - window.lastMs >= registrationWindowMs;
    if (!fresh && window.count >= registrationsMax) return false;
    this.#windows.set(nodeId, { lastMs: now, count: fresh ? 1 : window.count + 1 });
    return true;
  }

  forget(nodeId: string): void {
    this.#windows.delete(nodeId);
  }
}
