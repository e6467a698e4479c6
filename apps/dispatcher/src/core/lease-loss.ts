import type { Clock, Timer } from '@shoal/runtime';
import type { LeaseSource } from '@shoal/stage';

/** Notices that the dispatcher has been without a lease for longer than a change of leaders takes. */
export class LeaseLoss {
  readonly #lease: LeaseSource;
  readonly #clock: Clock;
  readonly #graceMs: () => number;
  readonly #lost: () => void;
  readonly #unsubscribe: () => void;
  #timer: Timer | undefined;

  constructor(lease: LeaseSource, clock: Clock, graceMs: () => number, lost: () => void) {
    this.#lease = lease;
    this.#clock = clock;
    this.#graceMs = graceMs;
    this.#lost = lost;
    this.#unsubscribe = lease.subscribe(() => this.#changed());
  }

  stop(): void {
    this.#unsubscribe();
    this.#rest();
  }

  #changed(): void {
    if (this.#lease.current !== undefined) this.#rest();
    else this.#timer ??= this.#clock.after(this.#graceMs(), () => this.#over());
  }

  #over(): void {
    this.#timer = undefined;
    if (this.#lease.current === undefined) this.#lost();
  }

  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
