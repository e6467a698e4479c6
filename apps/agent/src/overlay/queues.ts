/**
 * Works of the same key run one after the other, in order; those of different keys side by side. Who puts
 * works in sees to their number.
 */
export class Queues {
  readonly #tails = new Map<string, Promise<unknown>>();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(work);
    const tail = result.then(
      () => undefined,
      () => undefined,
    );
    this.#tails.set(key, tail);
    void tail.then(() => {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    });
    return result;
  }

  /** Resolves when all works that were there have ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
