import { type Clock, type Instant, invariant, type Timer } from '@shoal/runtime';

/** Most keys with a wake time of their own. Beyond it one common wake looks at everything. */
const wakeKeysMax = 200_000;
/** Longest sleep in one piece, milliseconds: the wall clock may be set forward while we wait. */
const wakeSleepMsMax = 30_000;

interface HeapItem {
  readonly key: string;
  readonly at: Instant;
}

/**
 * Keys that want to be looked at later: a binary heap by time on one timer. Replaced and cancelled
 * items stay in the heap until they surface or until they outnumber the live ones.
 */
export class Wakes {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  readonly #times = new Map<string, Instant>();
  #heap: HeapItem[] = [];
  #overflowAt: Instant | undefined;
  #timer: { readonly at: number; readonly handle: Timer } | undefined;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#times.size;
  }

  /** Replaces the key's wake time. */
  set(key: string, at: Instant): void {
    if (this.#times.get(key) === at) return;
    if (this.#times.size >= wakeKeysMax && !this.#times.has(key)) {
      this.#overflowAt = Math.min(this.#overflowAt ?? at, at) as Instant;
    } else {
      this.#times.set(key, at);
      this.#push({ key, at });
      this.#dropStale();
    }
    this.#arm();
  }

  /** Takes the keys whose time has come; `everything` when wakes had overflowed. */
  take(now: Instant): { readonly keys: readonly string[]; readonly everything: boolean } {
    const keys: string[] = [];
    for (let top = this.#heap[0]; top !== undefined && top.at <= now; top = this.#heap[0]) {
      this.#pop();
      if (this.#times.get(top.key) !== top.at) continue;
      this.#times.delete(top.key);
      keys.push(top.key);
    }
    const everything = this.#overflowAt !== undefined && this.#overflowAt <= now;
    if (everything) this.#overflowAt = undefined;
    this.#arm();
    return { keys, everything };
  }

  stop(): void {
    this.#timer?.handle.cancel();
    this.#timer = undefined;
    this.#times.clear();
    this.#heap = [];
    this.#overflowAt = undefined;
  }

  /** The earliest live wake time, after dropping replaced ones that lie before it. */
  #next(): number {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#times.get(top.key) === top.at) break;
      this.#pop();
    }
    return Math.min(this.#heap[0]?.at ?? Infinity, this.#overflowAt ?? Infinity);
  }

  #arm(): void {
    const next = this.#next();
    if (this.#timer !== undefined && this.#timer.at <= next) {
      if (next !== Infinity) return;
    }
    this.#timer?.handle.cancel();
    this.#timer = undefined;
    if (next === Infinity) return;
    const delayMs = Math.min(Math.max(0, next - this.#clock.now()), wakeSleepMsMax);
    this.#timer = { at: next, handle: this.#clock.after(delayMs, () => this.#fired()) };
  }

  #fired(): void {
    this.#timer = undefined;
    if (this.#next() <= this.#clock.now()) this.#onDue();
    else this.#arm();
  }

  #dropStale(): void {
    if (this.#heap.length <= 2 * this.#times.size + 64) return;
    const live = this.#heap.filter((item) => this.#times.get(item.key) === item.at);
    this.#heap = [];
    for (const item of live) this.#push(item);
  }

  #push(item: HeapItem): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      invariant(parent !== undefined, 'a heap slot is empty', { up });
      if (parent.at <= item.at) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const left = heap[child];
      const right = heap[child + 1];
      invariant(left !== undefined, 'a heap slot is empty', { child });
      const [least, leastAt] =
        right !== undefined && right.at < left.at ? [right, child + 1] : [left, child];
      if (last.at <= least.at) break;
      heap[at] = least;
      at = leastAt;
    }
    heap[at] = last;
  }
}
