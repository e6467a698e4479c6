import {
  eventPasses,
  type Filters,
  isTimeBefore,
  type NanoTime,
  type SwarmEvent,
  swarmEvent,
} from '@shoal/docker-api';
import type { Replica } from '@shoal/stage';

/** Events kept for those who ask for the past, as many as the engine keeps. */
const eventsKept = 256;
/** Clients that watch events at the same time. */
export const watchersMax = 1_000;

type Listener = (event: SwarmEvent) => void;

/** What happened to services and nodes, as changes of the replicated state tell it. */
export class SwarmEvents {
  readonly #kept: SwarmEvent[] = [];
  readonly #listeners = new Set<Listener>();

  /** Follows a replica; gives the end of it back. What was there before is no news. */
  follow(replica: Replica): () => void {
    return replica.subscribe((event) => {
      if (event.kind !== 'applied') return;
      const { view } = replica;
      for (const change of event.entry.changes) {
        const told = swarmEvent(change, event.entry.time, (id, number) =>
          view.revisions.of(id, number),
        );
        if (told !== undefined) this.#tell(told);
      }
    });
  }

  /** Kept events between two times, both included, that pass; all of them when neither is given. */
  past(
    since: NanoTime | undefined,
    until: NanoTime | undefined,
    filters: Filters,
  ): readonly SwarmEvent[] {
    return this.#kept.filter((event) => {
      const at = { seconds: event.time, nanos: event.timeNano - event.time * 1e9 };
      if (since !== undefined && isTimeBefore(at, since)) return false;
      if (until !== undefined && isTimeBefore(until, at)) return false;
      return eventPasses(filters, event);
    });
  }

  /** Undefined when too many watch already. */
  watch(filters: Filters, listener: Listener): (() => void) | undefined {
    if (this.#listeners.size >= watchersMax) return undefined;
    const own: Listener = (event) => {
      if (eventPasses(filters, event)) listener(event);
    };
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  #tell(event: SwarmEvent): void {
    this.#kept.push(event);
    if (this.#kept.length > eventsKept) this.#kept.shift();
    for (const listener of this.#listeners) listener(event);
  }
}
