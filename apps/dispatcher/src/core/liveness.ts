import type { Clock, Monotonic, Timer } from '@shoal/runtime';

interface Watch {
  sinceMs: Monotonic;
  graceMs: number;
  /** When the timer is meant to fire. */
  dueMs: number;
  timer: Timer;
}

/**
 * Which nodes were not heard of for too long. One timer a node, armed again only when it fires, so a
 * heartbeat costs no more than a note of the time.
 */
export class Liveness {
  readonly #clock: Clock;
  readonly #lost: (nodeId: string) => void;
  readonly #watches = new Map<string, Watch>();

  constructor(clock: Clock, lost: (nodeId: string) => void) {
    this.#clock = clock;
    this.#lost = lost;
  }

  /** The node gave a sign of life; the next must come within `graceMs`. */
  heard(nodeId: string, graceMs: number): void {
    const watch = this.#watches.get(nodeId);
    const now = this.#clock.monotonic();
    if (watch === undefined || watch.dueMs > now + graceMs) {
      this.forget(nodeId);
      this.#watches.set(nodeId, this.#watch(nodeId, now, graceMs));
      return;
    }
    watch.sinceMs = now;
    watch.graceMs = graceMs;
  }

  /** The node is expected to give a sign of life within `graceMs`; does nothing if one is awaited already. */
  expect(nodeId: string, graceMs: number): void {
    if (this.#watches.has(nodeId)) return;
    this.#watches.set(nodeId, this.#watch(nodeId, this.#clock.monotonic(), graceMs));
  }

  expects(nodeId: string): boolean {
    return this.#watches.has(nodeId);
  }

  forget(nodeId: string): void {
    this.#watches.get(nodeId)?.timer.cancel();
    this.#watches.delete(nodeId);
  }

  get nodes(): readonly string[] {
    return [...this.#watches.keys()];
  }

  #watch(nodeId: string, sinceMs: Monotonic, graceMs: number): Watch {
    return {
      sinceMs,
      graceMs,
      dueMs: sinceMs + graceMs,
      timer: this.#clock.after(graceMs, () => this.#fired(nodeId)),
    };
  }

  #fired(nodeId: string): void {
    const watch = this.#watches.get(nodeId);
    if (watch === undefined) return;
    const now = this.#clock.monotonic();
    // A timer that is very late means that this process stood still: then nothing could be heard.
    const stalledMs = now - watch.dueMs;
    const leftMs =
      stalledMs > watch.graceMs / 2 ? watch.graceMs : watch.sinceMs + watch.graceMs - now;
    if (leftMs > 0) {
      watch.dueMs = now + leftMs;
      watch.timer = this.#clock.after(leftMs, () => this.#fired(nodeId));
      if (stalledMs > watch.graceMs / 2) watch.sinceMs = now;
      return;
    }
    this.#watches.delete(nodeId);
    this.#lost(nodeId);
  }
}
