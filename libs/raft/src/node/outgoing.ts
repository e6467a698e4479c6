import type { Envelope } from '../core/messages.ts';
import type { VoterId } from '../types.ts';

/**
 * Sends at once, except for a commit that no entries go along with: it waits until this turn of the loop
 * ends, because more may be committed meanwhile, and entries that follow carry the commit as well.
 */
export class Outgoing {
  readonly #send: (envelope: Envelope) => void;
  /** One for each receiver at most: a later append makes an empty one superfluous. */
  readonly #commits = new Map<VoterId, Envelope>();
  #scheduled = false;

  constructor(send: (envelope: Envelope) => void) {
    this.#send = send;
  }

  push(envelope: Envelope): void {
    const { to, message } = envelope;
    if (message.kind !== 'append') {
      this.#send(envelope);
    } else if (message.entries.length > 0) {
      this.#commits.delete(to);
      this.#send(envelope);
    } else {
      this.#commits.set(to, envelope);
      this.#flushSoon();
    }
  }

  flush(): void {
    this.#scheduled = false;
    const commits = [...this.#commits.values()];
    this.#commits.clear();
    for (const envelope of commits) this.#send(envelope);
  }

  #flushSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.flush());
  }
}
