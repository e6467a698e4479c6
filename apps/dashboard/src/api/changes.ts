import type { Api } from './client.ts';
import { changes } from './shapes.ts';

/** How the page stands to the manager. */
export type Link = 'live' | 'away' | 'closed';

/** Before an api that does not answer is asked again, milliseconds. */
const retryMs = 2_000;
/** Between two questions while changes follow each other, milliseconds. */
const restMs = 250;

export interface Timers {
  /** Calls later; gives the way not to. */
  after(ms: number, call: () => void): () => void;
}

/** Waits for changes of the state as long as the page is there, and tells who wants to know. */
export class ChangeWatch {
  readonly #api: Pick<Api, 'ask'>;
  readonly #timers: Timers;
  readonly #listeners = new Set<() => void>();
  readonly #linkListeners = new Set<(link: Link) => void>();
  #link: Link = 'live';

  constructor(api: Pick<Api, 'ask'>, timers: Timers) {
    this.#api = api;
    this.#timers = timers;
  }

  get link(): Link {
    return this.#link;
  }

  /** Called when something may be other than it was. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onLink(listener: (link: Link) => void): () => void {
    this.#linkListeners.add(listener);
    return () => this.#linkListeners.delete(listener);
  }

  /** Asks on and on; ends when the dashboard is closed in this browser. */
  async run(): Promise<void> {
    let after: number | undefined;
    for (;;) {
      const query = after === undefined ? '' : `?after=${after}`;
      const answer = await this.#api.ask(`/shoal/v1/changes${query}`, changes);
      if (answer.kind === 'closed') {
        this.#become('closed');
        return;
      }
      if (answer.kind === 'value') {
        const { logIndex } = answer.value;
        const wasAway = this.#link === 'away';
        this.#become('live');
        if (wasAway || logIndex !== after) for (const listener of this.#listeners) listener();
        after = logIndex;
        await this.#pause(restMs);
        continue;
      }
      // What the api refuses, as on a worker, each part of the page says for itself.
      this.#become(answer.kind === 'away' ? 'away' : 'live');
      if (answer.kind === 'refused') for (const listener of this.#listeners) listener();
      after = undefined;
      await this.#pause(retryMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#timers.after(ms, resolve));
  }

  #become(link: Link): void {
    if (this.#link === link) return;
    this.#link = link;
    for (const listener of this.#linkListeners) listener(link);
  }
}
