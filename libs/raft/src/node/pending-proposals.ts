import { invariant, type LogIndex } from '@shoal/runtime';
import type { Failure, ProposeOutcome } from './outcomes.ts';

interface Proposal {
  readonly data: Uint8Array;
  readonly resolve: (outcome: ProposeOutcome) => void;
  /** 0 until it is appended. */
  index: LogIndex;
}

/** Proposals in the order of their entries: first those in the log, then those still to be appended. */
export class PendingProposals {
  #appended: Proposal[] = [];
  /** Settled ones at the front of `#appended`, dropped in bulk: an array is slow to shift. */
  #settled = 0;
  #waiting: Proposal[] = [];
  #bytes = 0;

  get count(): number {
    return this.#appended.length - this.#settled + this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  add(data: Uint8Array): Promise<ProposeOutcome> {
    this.#bytes += data.length;
    return new Promise((resolve) => {
      this.#waiting.push({ data, resolve, index: 0 as LogIndex });
    });
  }

  /** One that is in the log already, at `index`. */
  addAppended(data: Uint8Array, index: LogIndex): Promise<ProposeOutcome> {
    const last = this.#appended.at(-1);
    invariant(last === undefined || last.index < index, 'entries follow each other', { index });
    this.#bytes += data.length;
    return new Promise((resolve) => {
      this.#appended.push({ data, resolve, index });
    });
  }

  /** What is proposed next; the core answers with {@link appended} or {@link failWaiting}. */
  waitingData(): readonly Uint8Array[] {
    return this.#waiting.map(({ data }) => data);
  }

  /** All that waited is in the log now, from `first` on. */
  appended(first: LogIndex): void {
    const last = this.#appended.at(-1);
    invariant(last === undefined || last.index < first, 'entries follow each other', { first });
    for (const [at, proposal] of this.#waiting.entries()) {
      proposal.index = (first + at) as LogIndex;
      this.#appended.push(proposal);
    }
    this.#waiting = [];
  }

  /** Entries up to `index` are applied. */
  applied(index: LogIndex): void {
    let at = this.#settled;
    for (let next = this.#appended[at]; next !== undefined; next = this.#appended[at]) {
      if (next.index > index) break;
      this.#bytes -= next.data.length;
      next.resolve({ kind: 'committed', index: next.index });
      at += 1;
    }
    this.#settled = at;
    if (at === this.#appended.length) {
      this.#appended = [];
      this.#settled = 0;
    } else if (at > this.#appended.length / 2) {
      this.#appended.splice(0, at);
      this.#settled = 0;
    }
    invariant(this.#bytes >= 0, 'bytes are counted once', { bytes: this.#bytes });
  }

  failWaiting(outcome: Failure): void {
    const failed = this.#waiting;
    this.#waiting = [];
    this.#fail(failed, outcome);
  }

  /** The appended ones whose entry is `from` or later. */
  failFrom(from: LogIndex, outcome: Failure): void {
    const at = this.#appended.findIndex(
      ({ index }, position) => position >= this.#settled && index >= from,
    );
    if (at >= 0) this.#fail(this.#appended.splice(at), outcome);
  }

  #fail(proposals: readonly Proposal[], outcome: Failure): void {
    for (const { data, resolve } of proposals) {
      this.#bytes -= data.length;
      resolve(outcome);
    }
    invariant(this.#bytes >= 0, 'bytes are counted once', { bytes: this.#bytes });
  }
}
