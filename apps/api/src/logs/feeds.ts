import type { Clock } from '@shoal/runtime';
import type { Task } from '@shoal/state';
import type { Chunks } from './chunks.ts';
import { LogFeed } from './feed.ts';
import { feedsMax, ringBytes } from './limits.ts';
import type { LogMetrics } from './metrics.ts';
import type { Upstream } from './upstream.ts';

export interface FeedsOptions {
  readonly upstream: Upstream;
  readonly chunks: Chunks;
  readonly clock: Clock;
  readonly metrics: LogMetrics;
  /** Newest lines kept of all feeds together, bytes. */
  readonly bytesMax: number;
}

/** One feed for each task that is followed, as long as somebody does. */
export class Feeds {
  readonly #options: FeedsOptions;
  readonly #feeds = new Map<string, LogFeed>();

  constructor(options: FeedsOptions) {
    this.#options = options;
  }

  /** Undefined when too many tasks are followed already. The caller adds its reader at once. */
  take(task: Task): LogFeed | undefined {
    const open = this.#feeds.get(task.id);
    if (open !== undefined) return open;
    if (this.#feeds.size >= feedsMax) return undefined;
    const { upstream, chunks, clock } = this.#options;
    const feed: LogFeed = new LogFeed({
      task,
      upstream,
      clock,
      bytesMax: () => this.#bytesMax(),
      onCleared: () => chunks.forget(task.id),
      onIdle: () => {
        feed.stop();
        this.#feeds.delete(task.id);
        chunks.forget(task.id);
        this.#count();
      },
    });
    this.#feeds.set(task.id, feed);
    this.#count();
    return feed;
  }

  stop(): void {
    for (const feed of this.#feeds.values()) feed.stop();
    this.#feeds.clear();
    this.#count();
  }

  #bytesMax(): number {
    const share = Math.floor(this.#options.bytesMax / Math.max(1, this.#feeds.size));
    return Math.min(ringBytes.most, Math.max(ringBytes.least, share));
  }

  #count(): void {
    this.#options.metrics.feeds(this.#feeds.size);
  }
}
