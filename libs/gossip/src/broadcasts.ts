/** News to pass on: the least told first, one under each key, each a bounded number of times. */
export class Broadcasts<News> {
  readonly #max: number;
  /** By how often they have been told; each in the order of arrival. */
  readonly #byTold: Map<string, News>[] = [];
  readonly #toldOf = new Map<string, number>();

  /** Of more than `max`, the most often told go. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#toldOf.size;
  }

  /** Replaces what was to be said under the key; it is told from the beginning. */
  put(key: string, news: News): void {
    this.drop(key);
    this.#place(key, news, 0);
    if (this.size > this.#max) this.#dropMostTold();
  }

  drop(key: string): void {
    const told = this.#toldOf.get(key);
    if (told === undefined) return;
    this.#byTold[told]?.delete(key);
    this.#toldOf.delete(key);
  }

  clear(): void {
    this.#byTold.length = 0;
    this.#toldOf.clear();
  }

  /**
   * What goes into one packet: as many as `fits` takes, in order. Each counts as told once; what has been
   * told `times` is forgotten.
   */
  take(times: number, fits: (news: News) => boolean): readonly News[] {
    const taken: (readonly [string, News, number])[] = [];
    for (const next of this.#inOrder()) {
      if (!fits(next[1])) break;
      taken.push(next);
    }
    for (const [key, news, told] of taken) {
      this.drop(key);
      if (told + 1 < times) this.#place(key, news, told + 1);
    }
    return taken.map(([, news]) => news);
  }

  #place(key: string, news: News, told: number): void {
    while (this.#byTold.length <= told) this.#byTold.push(new Map());
    this.#byTold[told]?.set(key, news);
    this.#toldOf.set(key, told);
  }

  #dropMostTold(): void {
    const most = this.#byTold.findLast((bucket) => bucket.size > 0);
    const key = most?.keys().next().value;
    if (key !== undefined) this.drop(key);
  }

  *#inOrder(): IterableIterator<readonly [string, News, number]> {
    for (const [told, bucket] of this.#byTold.entries())
      for (const [key, news] of bucket) yield [key, news, told];
  }
}
