import { assertNever, invariant, type LogIndex } from '@shoal/runtime';

/** How many appends may be on the way to one voter. */
const appendsInFlightMax = 256;

/**
 * What the leader believes of one voter. Invariant: 0 <= match < next.
 *
 * - `probe`: where the logs meet is not known; one append at a time.
 * - `replicate`: they meet at `match`; appends are sent ahead, `next` runs on.
 * - `snapshot`: what it needs was compacted; nothing is sent until the snapshot has arrived.
 */
export class Progress {
  #match: LogIndex;
  #next: LogIndex;
  #state: 'probe' | 'replicate' | 'snapshot' = 'probe';
  /** In `probe`: the one append is out. Cleared by any sign of life. */
  #probing = false;
  /** Last index of each append on the way, oldest first. */
  #inFlight: LogIndex[] = [];
  #snapshot = 0 as LogIndex;
  /** Newest heartbeat round it answered in this term. */
  confirmedRound = 0;
  /** Newest commit it was told, so that one message more carries it when no entry does. */
  commitSent = 0 as LogIndex;
  /** Heard from since the last check of the quorum, and between that and the one before. */
  active = false;
  #wasActive = false;
  /** Quorum checks since the snapshot was sent. */
  checksInSnapshot = 0;

  constructor(match: LogIndex, next: LogIndex) {
    invariant(match >= 0 && match < next, 'match is before next', { match, next });
    this.#match = match;
    this.#next = next;
  }

  /** Known to be durable there and equal to the leader's log. */
  get match(): LogIndex {
    return this.#match;
  }

  /** Heard from lately. */
  get reachable(): boolean {
    return this.active || this.#wasActive;
  }

  /**
   * The quorum was checked. Whether it had been heard from since the last time. To one that is silent for two
   * checks no more is sent ahead.
   */
  checked(): boolean {
    const heard = this.active;
    if (!this.reachable && this.#state === 'replicate') this.#become('probe');
    this.#wasActive = heard;
    this.active = false;
    return heard;
  }

  /** First entry of the next append. */
  get next(): LogIndex {
    return this.#next;
  }

  get state(): 'probe' | 'replicate' | 'snapshot' {
    return this.#state;
  }

  get paused(): boolean {
    switch (this.#state) {
      case 'probe':
        return this.#probing;
      case 'replicate':
        return this.#inFlight.length >= appendsInFlightMax;
      case 'snapshot':
        return true;
      default:
        return assertNever(this.#state);
    }
  }

  /** An append ending at `last` (`next - 1` when it is empty) was sent. */
  sent(last: LogIndex): void {
    invariant(!this.paused, 'nothing is sent to a paused voter', { state: this.#state });
    invariant(last >= this.#next - 1, 'appends run forward', { last, next: this.#next });
    if (this.#state === 'probe') this.#probing = true;
    else if (last >= this.#next) {
      this.#next = (last + 1) as LogIndex;
      this.#inFlight.push(last);
    }
  }

  /** Whether the answer says something new. */
  accepted(match: LogIndex): boolean {
    const moved = match > this.#match;
    if (moved) this.#match = match;
    if (this.#next <= match) this.#next = (match + 1) as LogIndex;
    while (this.#inFlight[0] !== undefined && this.#inFlight[0] <= match) this.#inFlight.shift();
    if (this.#state === 'probe' && match >= this.#next - 1) this.#become('replicate');
    if (this.#state === 'snapshot' && this.#match >= this.#snapshot) this.#become('replicate');
    invariant(this.#match < this.#next, 'match is before next', { match, next: this.#next });
    return moved;
  }

  /** Whether the rejection is of the newest append, so that another must follow. */
  rejected(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.#state === 'snapshot' || rejected <= this.#match) return false;
    if (this.#state === 'replicate') {
      this.#become('probe');
      return true;
    }
    if (rejected !== this.#next - 1) return false;
    this.#next = Math.max(Math.min(rejected, hint + 1), this.#match + 1) as LogIndex;
    this.#probing = false;
    return true;
  }

  snapshotSent(index: LogIndex): void {
    invariant(this.#state !== 'snapshot', 'one snapshot at a time', { index });
    invariant(index > this.#match, 'a snapshot brings something new', { index });
    this.#become('snapshot');
    this.#snapshot = index;
  }

  /** The snapshot was lost, or nothing was heard of it for long: ask again where it stands. */
  snapshotLost(): void {
    if (this.#state === 'snapshot') this.#become('probe');
  }

  /** It is alive: a lost probe or a full window is tried again. */
  heard(): void {
    this.active = true;
    this.#probing = false;
    if (this.#inFlight.length >= appendsInFlightMax) this.#inFlight.shift();
  }

  #become(state: 'probe' | 'replicate' | 'snapshot'): void {
    this.#state = state;
    this.#next = (this.#match + 1) as LogIndex;
    this.#probing = false;
    this.#inFlight = [];
    this.#snapshot = 0 as LogIndex;
    this.commitSent = 0 as LogIndex;
    this.checksInSnapshot = 0;
  }
}
