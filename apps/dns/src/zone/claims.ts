/** Who says what under which key, so that each can be taken back. */
export class Claims<T> {
  readonly #byKey = new Map<string, Map<string, readonly T[]>>();

  get size(): number {
    return this.#byKey.size;
  }

  add(key: string, owner: string, claim: T): void {
    const owners = this.#byKey.get(key);
    if (owners === undefined) {
      this.#byKey.set(key, new Map([[owner, [claim]]]));
      return;
    }
    owners.set(owner, [...(owners.get(owner) ?? []), claim]);
  }

  /** Takes back all that `owner` says under `key`. */
  remove(key: string, owner: string): void {
    const owners = this.#byKey.get(key);
    if (owners === undefined) return;
    owners.delete(owner);
    if (owners.size === 0) this.#byKey.delete(key);
  }

  /** Undefined where nobody says anything. */
  get(key: string): readonly T[] | undefined {
    const owners = this.#byKey.get(key);
    return owners === undefined ? undefined : [...owners.values()].flat();
  }

  clear(): void {
    this.#byKey.clear();
  }
}
