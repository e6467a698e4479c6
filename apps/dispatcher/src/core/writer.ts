import { type Clock, type Logger, newId, type Random, type Timer } from '@shoal/runtime';
import type { LeaseSource, Replica } from '@shoal/stage';
import type { Actor, Change, Outcome, StateView, Transaction } from '@shoal/state';
import { proposalsInFlightMax, retryMs, writeHoldMsMax, writesPerProposalMax } from './limits.ts';
import type { DispatcherMetrics } from './metrics.ts';

/** How a write ended. `obsolete`: the state had moved on so that there was nothing to write any more. */
export type WriteEnd = 'committed' | 'obsolete' | 'dropped';

/** One object to bring up to date. Made anew from the state at every attempt. */
export interface Write {
  /** Writes of the same key follow each other; a newer one replaces one that waits. */
  readonly key: string;
  readonly actor: Actor;
  readonly reason: string;
  /** What to change in the state as it is now; undefined when there is nothing left to do. */
  change(view: StateView): Change | undefined;
  done(end: WriteEnd): void;
}

export interface WriterOptions {
  readonly replica: Replica;
  readonly lease: LeaseSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: DispatcherMetrics;
}

/**
 * Brings writes into the log: at once when nothing is under way, else together with what comes within
 * {@link writeHoldMsMax}. One transaction a write, so that a refused one stops no other; a write that lost
 * a race reads again and tries again, until it is committed or there is nothing left to do.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #waiting = new Map<string, Write>();
  /** Keys whose transaction is under way. */
  readonly #flying = new Set<string>();
  #proposals = 0;
  /** Writes of the next proposal at most: halved while one of them makes the log refuse all. */
  #together = writesPerProposalMax;
  #failures = 0;
  #due = false;
  #timer: Timer | undefined;
  #stopped = false;
  readonly #unsubscribe: () => void;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#unsubscribe = options.lease.subscribe(() => this.#flush());
  }

  /** Writes that are not in the log yet. */
  get pending(): number {
    return this.#waiting.size + this.#flying.size;
  }

  /** Whether a write of this key waits or is under way. */
  waitsFor(key: string): boolean {
    return this.#waiting.has(key) || this.#flying.has(key);
  }

  add(write: Write): void {
    const replaced = this.#waiting.get(write.key);
    this.#waiting.set(write.key, write);
    replaced?.done('obsolete');
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#unsubscribe();
    this.#waiting.clear();
  }

  /** Everything that is added in the same turn of the event loop goes together. */
  #wake(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#stopped || this.#waiting.size === 0) return;
    if (this.#failures > 0 || this.#proposals > 0) {
      this.#hold(writeHoldMsMax);
      return;
    }
    this.#propose();
  }

  #hold(delayMs: number): void {
    this.#timer ??= this.#options.clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#propose();
    });
  }

  #propose(): void {
    const { lease, replica, metrics } = this.#options;
    const held = lease.current;
    if (this.#stopped || held === undefined || this.#proposals >= proposalsInFlightMax) return;
    const writes: Write[] = [];
    const transactions: Transaction[] = [];
    for (const [key, write] of this.#waiting) {
      if (this.#flying.has(key)) continue;
      if (transactions.length >= this.#together) break;
      this.#waiting.delete(key);
      const change = write.change(replica.view);
      if (change === undefined) {
        this.#end(write, 'obsolete');
        continue;
      }
      writes.push(write);
      transactions.push({
        id: newId(this.#options.random),
        actor: write.actor,
        reason: write.reason,
        decidedAt: replica.view.index,
        lease: held,
        changes: [change],
      });
    }
    if (transactions.length === 0) return;
    metrics.batch(transactions.length);
    for (const { key } of writes) this.#flying.add(key);
    this.#proposals += 1;
    void this.#await(writes, transactions);
  }

  async #await(writes: readonly Write[], transactions: readonly Transaction[]): Promise<void> {
    const result = await this.#options.replica.propose(transactions);
    this.#proposals -= 1;
    for (const { key } of writes) this.#flying.delete(key);
    if (this.#stopped) return;
    if (result.kind === 'applied') {
      this.#failures = 0;
      this.#together = Math.min(this.#together * 2, writesPerProposalMax);
      for (const [at, write] of writes.entries()) this.#ended(write, result.outcomes[at]);
      this.#flush();
      return;
    }
    const { code, message } = result;
    this.#options.logger.warn(
      { code, reason: message, writes: writes.length },
      'writes_not_proposed',
    );
    if (code === 'too-large' || code === 'malformed') {
      this.#narrow(writes);
      return;
    }
    for (const write of writes) this.#again(write);
    this.#failures += 1;
    this.#hold(Math.min(retryMs.first * 2 ** Math.min(this.#failures, 10), retryMs.most));
  }

  /** Nobody's write is lost for another's: fewer go together until the unfit one stands alone. */
  #narrow(writes: readonly Write[]): void {
    const [first, ...others] = writes;
    if (first !== undefined && others.length === 0) this.#end(first, 'dropped');
    else {
      this.#together = Math.ceil(writes.length / 2);
      for (const write of writes) this.#again(write);
    }
    this.#flush();
  }

  #ended(write: Write, outcome: Outcome | undefined): void {
    if (outcome?.kind === 'committed') {
      this.#end(write, 'committed');
      return;
    }
    const refusal = outcome?.refusal;
    switch (refusal?.kind) {
      case 'stale-lease':
        if (this.#options.lease.current?.epoch === refusal.epoch) this.#options.lease.reclaim();
        this.#again(write);
        return;
      case 'version-conflict':
        this.#again(write);
        return;
      case 'not-found':
      case 'state-moved-back':
        this.#end(write, 'obsolete');
        return;
      default:
        this.#options.logger.error({ key: write.key, refusal }, 'write_refused');
        this.#end(write, 'dropped');
        return;
    }
  }

  #again(write: Write): void {
    this.#options.metrics.write('retried');
    const newer = this.#waiting.has(write.key);
    if (newer) write.done('obsolete');
    else this.#waiting.set(write.key, write);
    this.#wake();
  }

  #end(write: Write, end: WriteEnd): void {
    this.#options.metrics.write(end);
    write.done(end);
  }
}
