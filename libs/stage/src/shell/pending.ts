import type { Clock, Instant, Monotonic, Random } from '@shoal/runtime';
import type { AppliedChange } from '@shoal/state';
import type { ChangeSet } from '../stage.ts';
import { Wakes } from './wakes.ts';

/** More changes than this waiting for a step are forgotten for one look at everything. */
export const pendingChangesMax = 50_000;
/** Keys whose refusals are counted; beyond it counting starts again. */
const refusedKeysMax = 100_000;
/** Delay after the second refusal of a key in a row, milliseconds; it doubles from there. */
const refusalDelayFirstMs = 50;
const refusalDelayMostMs = 10_000;

/** What a step takes: its change set, and when the oldest part of it arrived. */
export interface TakenWork {
  readonly changed: ChangeSet;
  readonly since: Monotonic;
}

/** What has moved since the last step, and what is to be looked at later. */
export class PendingWork {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #wakes: Wakes;
  readonly #retries: Wakes;
  readonly #refusals = new Map<string, number>();
  #everything = true;
  #changes: AppliedChange[] = [];
  #due = new Set<string>();
  #since: Monotonic | undefined;
  #timesUp = false;

  constructor(clock: Clock, random: Random, onDue: () => void) {
    const due = (): void => {
      this.#timesUp = true;
      this.#arrived();
      onDue();
    };
    this.#clock = clock;
    this.#random = random;
    this.#wakes = new Wakes(clock, due);
    this.#retries = new Wakes(clock, due);
  }

  get any(): boolean {
    return this.#everything || this.#timesUp || this.#changes.length > 0 || this.#due.size > 0;
  }

  all(): void {
    this.#arrived();
    this.#everything = true;
    this.#changes = [];
  }

  add(changes: readonly AppliedChange[]): void {
    if (this.#everything || changes.length === 0) return;
    this.#arrived();
    if (this.#changes.length + changes.length > pendingChangesMax) this.all();
    else for (const change of changes) this.#changes.push(change);
  }

  wake(key: string, at: Instant): void {
    this.#wakes.set(key, at);
  }

  /** The key comes back at once the first time, then later and later. */
  refused(key: string): void {
    if (this.#refusals.size >= refusedKeysMax) this.#refusals.clear();
    const times = (this.#refusals.get(key) ?? 0) + 1;
    this.#refusals.set(key, times);
    if (times === 1) {
      this.#arrived();
      this.#due.add(key);
      return;
    }
    const ceilingMs = Math.min(refusalDelayFirstMs * 2 ** (times - 2), refusalDelayMostMs);
    const delayMs = ceilingMs / 2 + (ceilingMs / 2) * this.#random.next();
    this.#retries.set(key, (this.#clock.now() + Math.ceil(delayMs)) as Instant);
  }

  committed(key: string): void {
    this.#refusals.delete(key);
  }

  take(now: Instant): TakenWork {
    const wakes = this.#wakes.take(now);
    const retries = this.#retries.take(now);
    for (const key of wakes.keys) this.#due.add(key);
    for (const key of retries.keys) this.#due.add(key);
    const changed: ChangeSet = {
      everything: this.#everything || wakes.everything || retries.everything,
      changes: this.#changes,
      due: this.#due,
    };
    const since = this.#since ?? this.#clock.monotonic();
    this.#everything = false;
    this.#timesUp = false;
    this.#changes = [];
    this.#due = new Set();
    this.#since = undefined;
    return { changed, since };
  }

  /** Forgets the refusals of keys that were looked at and asked for nothing any more. */
  settle(changed: ChangeSet, decided: ReadonlySet<string>): void {
    const looked = changed.everything ? this.#refusals.keys() : changed.due;
    for (const key of looked) if (!decided.has(key)) this.#refusals.delete(key);
  }

  stop(): void {
    this.#wakes.stop();
    this.#retries.stop();
  }

  #arrived(): void {
    this.#since ??= this.#clock.monotonic();
  }
}
