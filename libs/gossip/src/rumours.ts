import { Broadcasts } from './broadcasts.ts';
import { retransmitFactor, rumoursMax } from './limits.ts';
import type { Rumour } from './member.ts';

/** How often each piece of news is passed on in a cluster of `members`. */
export function retransmissions(members: number): number {
  return retransmitFactor * Math.ceil(Math.log10(members + 1));
}

/** News of members to pass on, one about each. */
export class Rumours {
  readonly #queued = new Broadcasts<Rumour>(rumoursMax);

  get size(): number {
    return this.#queued.size;
  }

  /** Replaces what was to be said of the member. */
  add(rumour: Rumour): void {
    this.#queued.put(rumour.id, rumour);
  }

  /** See {@link Broadcasts.take}. */
  take(times: number, fits: (rumour: Rumour) => boolean): readonly Rumour[] {
    return this.#queued.take(times, fits);
  }
}
