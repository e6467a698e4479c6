/** Whom to call; each is called with the newest news. */
export class Listeners<News extends readonly unknown[]> {
  readonly #all = new Set<(...news: News) => void>();

  /** Returns the way to stop it. */
  add(listener: (...news: News) => void): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  call(...news: News): void {
    for (const listener of this.#all) listener(...news);
  }
}
