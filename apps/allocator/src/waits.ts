/** What waits: a service (its endpoint or its tasks), a network without subnets, an attachment. */
export interface Waiter {
  readonly kind: 'service' | 'network' | 'attachment';
  readonly id: string;
}

/**
 * Who waits for what, so that a change costs only those whom it may help. Lost with the process: a look
 * at everything finds all of it again.
 */
export class Waits {
  readonly #waiters = new Map<string, Map<string, Waiter>>();

  add(waitsFor: string, waiter: Waiter): void {
    let waiters = this.#waiters.get(waitsFor);
    if (waiters === undefined) {
      waiters = new Map();
      this.#waiters.set(waitsFor, waiters);
    }
    waiters.set(`${waiter.kind} ${waiter.id}`, waiter);
  }

  /** Who waited for it. They no longer wait: those that still must are added again. */
  take(waitsFor: string): Iterable<Waiter> {
    const waiters = this.#waiters.get(waitsFor);
    if (waiters === undefined) return [];
    this.#waiters.delete(waitsFor);
    return waiters.values();
  }

  /** Who waited for anything that begins with `prefix`; they no longer wait, as in {@link take}. */
  *takeAll(prefix: string): IterableIterator<Waiter> {
    for (const key of [...this.#waiters.keys()]) if (key.startsWith(prefix)) yield* this.take(key);
  }

  clear(): void {
    this.#waiters.clear();
  }
}
