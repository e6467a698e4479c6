import { retransmitFactor, rumoursMax } from './limits.ts';
import type { Rumour } from './member.ts';

interface Queued {
  readonly rumour: Rumour;
  told: number;
}

/** How often each piece of news is passed on in a cluster of `members`. */
export function retransmissions(members: number): number {
  return retransmitFactor * Math.ceil(Math.log10(members + 1));
}

/** News to pass on: the least told first, one about each member, each a bounded number of times. */
export class Rumours {
  readonly #queued = new Map<string, Queued>();

  get size(): number {
    return this.#queued.size;
  }

  /** Replaces what was to be said of the member. */
  add(rumour: Rumour): void {
    this.#queued.delete(rumour.id);
    this.#queued.set(rumour.id, { rumour, told: 0 });
    if (this.#queued.size <= rumoursMax) return;
    const most = this.#inOrder().at(-1);
    if (most !== undefined) this.#queued.delete(most.rumour.id);
  }

  /**
   * What goes into one packet: as many as `fits` takes, in order. Each counts as told once; what has been
   * told `times` is forgotten.
   */
  take(times: number, fits: (rumour: Rumour) => boolean): readonly Rumour[] {
    const taken: Rumour[] = [];
    for (const queued of this.#inOrder()) {
      if (!fits(queued.rumour)) break;
      taken.push(queued.rumour);
      queued.told += 1;
      if (queued.told >= times) this.#queued.delete(queued.rumour.id);
    }
    return taken;
  }

  #inOrder(): readonly Queued[] {
    // Sorting is stable: of equals, the older news.
    return [...this.#queued.values()].sort((a, b) => a.told - b.told);
  }
}
