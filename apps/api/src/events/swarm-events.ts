import {
  eventPasses,
  type Filters,
  isTimeBefore,
  type NanoTime,
  type SwarmEvent,
  swarmEvent,
} from '@shoal/docker-api';
import type { Instant } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';
import type { AppliedChange } from '@shoal/state';
import { KnownObjects } from './known-objects.ts';

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
    let known: KnownObjects | undefined;
    const tell = (change: AppliedChange, at: Instant): void => {
      const told = swarmEvent(change, at, (id, number) => replica.view.revisions.of(id, number));
      if (told !== undefined) this.#tell(told);
    };
    return replica.subscribe((event) => {
      if (event.kind === 'applied') {
        known ??= new KnownObjects();
        for (const change of event.entry.changes) {
          known.changed(change);
          tell(change, event.entry.time);
        }
        return;
      }
      // The log has moved on, and nobody tells any more how: what is otherwise now is told.
      const now = KnownObjects.of(replica.view);
      if (known !== undefined) for (const { change, at } of known.changesTo(now)) tell(change, at);
      known = now;
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
