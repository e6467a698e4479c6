import { type Clock, errorMessage, type LogIndex, newId, type Timer } from '@shoal/runtime';
import { type AppliedChange, LogClock, type Outcome, type Transaction } from '@shoal/state';
import { Backoff } from '../backoff.ts';
import { type Ownership, ownershipOf } from '../ownership.ts';
import type { ProposalFailure, ReplicaEvent } from '../replica.ts';
import type { ChangeSet, Decision } from '../stage.ts';
import type { HeldLease, RunningStage, StageHealth, StageOptions } from './options.ts';
import { PendingWork } from './pending.ts';
import { proposeAll } from './propose.ts';

/** Transactions taken from one step; what is left is found again by a look at everything. */
const transactionsPerStepMax = 10_000;
/** Pause after a proposal that reached no outcome, milliseconds. */
const failureDelayFirstMs = 100;
const failureDelayMostMs = 5_000;
/** Steps in a row before the clock gets a turn, so that a restless stage cannot starve the process. */
const stepsInARowMax = 64;
const restlessPauseMs = 1;
/** How long `stop` waits for the outcomes of the last step, milliseconds. */
export const drainMsMax = 5_000;

interface Decided {
  readonly transactions: readonly Transaction[];
  /** Key of each transaction, at the same position. */
  readonly keys: readonly string[];
  readonly wakes: readonly (Decision & { readonly kind: 'wake' })[];
  /** False when the step was cut off at its bound. */
  readonly whole: boolean;
}

/** Runs `stage` until stopped. Needs only the replica and the clock, so it runs in a simulation too. */
export function runStage(options: StageOptions): RunningStage {
  return new Shell(options);
}

class Shell implements RunningStage {
  readonly #options: StageOptions;
  /** Whose wall-clock time is the log's. */
  readonly #clock: Clock;
  readonly #logClock: LogClock;
  readonly #work: PendingWork;
  readonly #backoff: Backoff;
  readonly #unsubscribe: readonly (() => void)[];
  #ownership: Ownership;
  #pause: Timer | undefined;
  #scheduled = false;
  #running: Promise<void> | undefined;
  #stopping = false;
  #stepped = false;
  #stepsInARow = 0;

  constructor(options: StageOptions) {
    this.#options = options;
    const { clock, replica, random } = options;
    const logClock = new LogClock(clock, replica.view.time);
    this.#logClock = logClock;
    this.#clock = {
      now: () => logClock.now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, fire) => clock.after(delayMs, fire),
    };
    this.#work = new PendingWork(this.#clock, random, () => this.#wake());
    this.#backoff = new Backoff(options.random, failureDelayFirstMs, failureDelayMostMs);
    this.#ownership = this.#readOwnership();
    this.#unsubscribe = [
      options.replica.subscribe((event) => this.#heard(event)),
      options.lease.subscribe(() => this.#leaseChanged()),
    ];
    this.#wake();
  }

  get health(): StageHealth {
    const waitingFor = this.#waitingFor();
    return {
      ready: this.#stepped && waitingFor === '',
      waitingFor,
      index: this.#options.replica.view.index,
      lease: this.#options.lease.current,
    };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#work.stop();
    this.#pause?.cancel();
    this.#pause = undefined;
    if (this.#running === undefined) return;
    let giveUp: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      giveUp = this.#clock.after(drainMsMax, resolve);
    });
    await Promise.race([this.#running, deadline]);
    giveUp?.cancel();
  }

  #waitingFor(): string {
    if (this.#stopping) return 'the process to end';
    if (!this.#options.replica.ready) return 'the log';
    if (this.#actingLease() === undefined) return 'a lease';
    return this.#pause === undefined ? '' : 'the log to take proposals';
  }

  #heard(event: ReplicaEvent): void {
    // An entry without content has no stamp of its own.
    const isStamped = event.kind === 'reset' || event.entry.outcomes.length > 0;
    if (isStamped) this.#logClock.follow(this.#options.replica.view.time);
    if (event.kind === 'reset') {
      this.#ownership = this.#readOwnership();
      this.#work.all();
    } else {
      this.#work.add(event.entry.changes);
      if (event.entry.changes.some((change) => this.#isOwnLease(change))) this.#leasesMoved();
    }
    this.#wake();
  }

  #isOwnLease(change: AppliedChange): boolean {
    return (
      change.table === 'lease' &&
      (change.after ?? change.before)?.stage === this.#options.stage.name
    );
  }

  #leasesMoved(): void {
    const before = this.#ownership.replicas;
    this.#ownership = this.#readOwnership();
    const after = this.#ownership.replicas;
    if (before.length === after.length && before.every((id, at) => id === after[at])) return;
    this.#options.logger.info({ replicas: after }, 'stage_ownership_moved');
    this.#work.all();
  }

  #leaseChanged(): void {
    this.#work.all();
    this.#wake();
  }

  #readOwnership(): Ownership {
    return ownershipOf(this.#options.replica.view.leases, this.#options.stage.name);
  }

  /** The lease, once this replica's own state shows it with the epoch we were granted. */
  #actingLease(): HeldLease | undefined {
    const held = this.#options.lease.current;
    if (held === undefined) return undefined;
    const seen = this.#options.replica.view.leases.get(held.id)?.meta.version;
    return seen === held.epoch ? held : undefined;
  }

  #wake(): void {
    if (this.#scheduled || this.#running !== undefined || this.#stopping) return;
    if (this.#pause !== undefined || !this.#work.any) return;
    this.#scheduled = true;
    // A microtask runs after everything that arrived in this turn has been applied.
    queueMicrotask(() => {
      if (!this.#stopping && this.#actingLease() !== undefined) this.#run();
      this.#scheduled = false;
    });
  }

  #run(): void {
    this.#running = this.#loop().then(
      () => this.#rest(),
      (error: unknown) => this.#fail(error),
    );
  }

  #rest(): void {
    this.#running = undefined;
    if (this.#stepsInARow < stepsInARowMax) {
      this.#stepsInARow = 0;
      this.#wake();
      return;
    }
    this.#stepsInARow = 0;
    this.#pauseFor(restlessPauseMs);
  }

  #fail(error: unknown): void {
    this.#running = undefined;
    this.#stopping = true;
    this.#work.stop();
    const message = errorMessage(error);
    this.#options.logger.error({ stage: this.#options.stage.name, reason: message }, 'stage_fatal');
    this.#options.onFatal(error);
  }

  #pauseFor(delayMs: number): void {
    if (this.#stopping) return;
    this.#pause = this.#clock.after(delayMs, () => {
      this.#pause = undefined;
      this.#wake();
    });
  }

  async #loop(): Promise<void> {
    while (this.#work.any && this.#pause === undefined && !this.#stopping) {
      const lease = this.#actingLease();
      if (lease === undefined || this.#stepsInARow >= stepsInARowMax) return;
      this.#stepsInARow += 1;
      await this.#step(lease);
    }
  }

  async #step(lease: HeldLease): Promise<void> {
    const { stage, replica, metrics } = this.#options;
    const { changed, since } = this.#work.take(this.#clock.now());
    const started = this.#clock.monotonic();
    const decided = this.#decide(changed, lease);
    metrics?.stepped((this.#clock.monotonic() - started) / 1000, (started - since) / 1000);
    metrics?.position(replica.view.index, lease.epoch);
    this.#stepped = true;
    for (const wake of decided.wakes) this.#work.wake(wake.key, wake.at);
    this.#work.settle(changed, new Set(decided.keys));
    if (!decided.whole) this.#work.all();
    if (decided.transactions.length === 0) return;
    const results = await proposeAll(replica, decided.transactions);
    let failure: ProposalFailure | undefined;
    let stale = false;
    for (const [at, result] of results.entries()) {
      const key = decided.keys[at] ?? '';
      if (result.kind === 'failed') failure = this.#failed(key, result) ?? failure;
      else stale = this.#outcome(key, result, decided.transactions[at]) || stale;
    }
    if (stale) this.#staleLease(lease);
    if (failure === undefined) this.#backoff.reset();
    else this.#backOff(failure);
    this.#options.logger.debug(
      { stage: stage.name, index: replica.view.index, transactions: results.length },
      'stage_stepped',
    );
  }

  /** One step of the stage, synchronous from its first decision to its last. */
  #decide(changed: ChangeSet, lease: HeldLease): Decided {
    const { stage, replica, random } = this.#options;
    const decidedAt: LogIndex = replica.view.index;
    const actor = { kind: 'stage', name: stage.name } as const;
    const mine = (key: string): boolean => this.#ownership.owner(key) === lease.id;
    const transactions: Transaction[] = [];
    const keys: string[] = [];
    const wakes: (Decision & { readonly kind: 'wake' })[] = [];
    for (const decision of stage.step(replica.view, changed, this.#clock.now(), mine)) {
      if (decision.kind === 'wake') {
        wakes.push(decision);
        continue;
      }
      const { reason, changes } = decision;
      transactions.push({ id: newId(random), actor, reason, decidedAt, lease, changes });
      keys.push(decision.key);
      if (transactions.length >= transactionsPerStepMax)
        return { transactions, keys, wakes, whole: false };
    }
    return { transactions, keys, wakes, whole: true };
  }

  /** Returns whether the lease was found stale. */
  #outcome(key: string, outcome: Outcome, transaction: Transaction | undefined): boolean {
    if (outcome.kind === 'committed') {
      const { metrics } = this.#options;
      metrics?.transactions('committed', 1);
      if (transaction !== undefined)
        metrics?.changed(transaction.reason, transaction.changes.length);
      this.#work.committed(key);
      return false;
    }
    const { refusal } = outcome;
    this.#options.metrics?.transactions('refused', 1);
    this.#options.metrics?.refused(refusal.kind);
    this.#options.logger.debug({ key, refusal, index: outcome.index }, 'stage_refused');
    if (refusal.kind === 'stale-lease') return true;
    this.#work.refused(key);
    return false;
  }

  /** Returns the failure when it concerns the log as a whole, not this one transaction. */
  #failed(key: string, failure: ProposalFailure): ProposalFailure | undefined {
    this.#options.metrics?.transactions('failed', 1);
    if (failure.code !== 'too-large' && failure.code !== 'malformed') return failure;
    this.#options.logger.error({ key, code: failure.code, reason: failure.message }, 'stage_unfit');
    this.#work.refused(key);
    return undefined;
  }

  #staleLease(lease: HeldLease): void {
    this.#work.all();
    if (this.#options.lease.current?.epoch !== lease.epoch) return;
    this.#options.logger.warn({ lease: lease.id, epoch: lease.epoch }, 'stage_lease_stale');
    this.#options.lease.reclaim();
  }

  #backOff(failure: ProposalFailure): void {
    const delayMs = Math.round(this.#backoff.next());
    this.#options.logger.warn(
      { code: failure.code, reason: failure.message, delayMs },
      'stage_proposal_failed',
    );
    this.#work.all();
    this.#pauseFor(delayMs);
  }
}
