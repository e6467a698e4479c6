/** Things of which there is one each, and who has them. Claims that meet are the rules' to refuse. */
export class Claims<K> {
  readonly #holders = new Map<K, string>();

  get all(): ReadonlyMap<K, string> {
    return this.#holders;
  }

  move(id: string, had: readonly K[], has: readonly K[]): void {
    if (had.length === has.length && had.every((key, at) => key === has[at])) return;
    for (const key of had) if (this.#holders.get(key) === id) this.#holders.delete(key);
    for (const key of has) this.#holders.set(key, id);
  }
}
