import type { Clock } from '@shoal/runtime';
import type { LogStorage } from '../storage.ts';

/** Upper bounds of the buckets in which durable writes are counted, milliseconds; the last has none. */
export const writeMsBounds = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024] as const;

/** How long durable writes took since the start. */
export interface WriteTimesView {
  /** For each of {@link writeMsBounds} the writes in its bucket, and those above the last. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** Measures the writes of a log. */
export class WriteTimes implements WriteTimesView {
  readonly counts: number[] = Array.from({ length: writeMsBounds.length + 1 }, () => 0);
  sumMs = 0;

  /** From now on what `storage` stores is measured. */
  watch(storage: LogStorage, clock: Clock): void {
    const store = storage.store.bind(storage);
    storage.store = async (work) => {
      const begin = clock.monotonic();
      const result = await store(work);
      this.#took(clock.monotonic() - begin);
      return result;
    };
  }

  #took(ms: number): void {
    const bucket = writeMsBounds.findIndex((bound) => ms <= bound);
    const at = bucket < 0 ? writeMsBounds.length : bucket;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sumMs += ms;
  }
}
