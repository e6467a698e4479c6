import type { Clock, Timer } from '@shoal/runtime';
import type { Envelope } from '../core/messages.ts';
import type { VoterId } from '../types.ts';

/** Nobody waits for a commit at the receiver: it may take so long until entries go along, milliseconds. */
export const commitLingerMs = 2;

export interface OutgoingOptions {
  readonly send: (envelope: Envelope) => void;
  /** Whether somebody at this voter waits for what is committed. */
  readonly awaitsCommit: (to: VoterId) => boolean;
  readonly clock: Clock;
}

/**
 * Sends at once, except for a commit that no entries go along with: it waits until this turn of the loop
 * ends, because more may be committed meanwhile, or a little longer, because entries that follow carry it as
 * well: under a steady load that saves two messages of four.
 */
export class Outgoing {
  readonly #options: OutgoingOptions;
  /** One for each receiver at most: a later append makes an empty one superfluous. */
  readonly #commits = new Map<VoterId, Envelope>();
  #scheduled = false;
  #linger: Timer | undefined;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  push(envelope: Envelope): void {
    const { to, message } = envelope;
    if (message.kind !== 'append') {
      this.#options.send(envelope);
    } else if (message.entries.length > 0) {
      this.#commits.delete(to);
      this.#options.send(envelope);
    } else {
      this.#commits.set(to, envelope);
      if (this.#options.awaitsCommit(to)) this.#flushSoon();
      else this.#linger ??= this.#options.clock.after(commitLingerMs, () => this.flush());
    }
  }

  flush(): void {
    this.#scheduled = false;
    this.#linger?.cancel();
    this.#linger = undefined;
    const commits = [...this.#commits.values()];
    this.#commits.clear();
    for (const envelope of commits) this.#options.send(envelope);
  }

  #flushSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.flush());
  }
}
