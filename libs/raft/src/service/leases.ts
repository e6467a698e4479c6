import {
  type Clock,
  type Logger,
  type LogIndex,
  later,
  type Monotonic,
  newId,
  type Random,
  type Timer,
} from '@shoal/runtime';
import {
  type Change,
  type Lease,
  type Meta,
  newMeta,
  type Outcome,
  type StateView,
  type Transaction,
} from '@shoal/state';
import type { LogFailure } from './served-log.ts';

/** A lease ends this long after its last renewal, milliseconds. Holders renew every third of it. */
export const leaseTtlMs = 3_000;
/** How often expired leases are looked for, milliseconds. */
const leaseSweepMs = 250;
/** Leases in the state; a claim of another is refused. */
const leasesMax = 1_024;
/** Pause after the end of a lease could not be written, milliseconds. */
const endRetryMs = 1_000;
/** Tries of one claim against a lease that others change meanwhile. */
const claimTriesMax = 4;

export interface LeaseClaim {
  readonly id: string;
  readonly stage: string;
  readonly nodeId: string;
  readonly address: string;
}

export type ClaimResult =
  | { readonly kind: 'granted'; readonly epoch: LogIndex }
  | { readonly kind: 'refused'; readonly message: string }
  | LogFailure;

/** The open stream of a holder. */
export interface LeaseSession {
  /** The lease is no longer its own: it expired, was deleted, or was claimed by another session. */
  lost(reason: string): void;
}

export interface LeaseKeeperOptions {
  readonly view: () => StateView;
  /** Proposes one transaction and resolves with its outcome on this voter's own state. */
  readonly propose: (transaction: Transaction) => Promise<Outcome | LogFailure>;
  readonly leading: () => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Term {
  readonly epoch: LogIndex;
  endsAt: Monotonic;
  ending: boolean;
  session: LeaseSession | undefined;
}

/**
 * The leader's side of leases. Only claims and ends are log entries; renewals stay in memory. After a
 * restart or an election every lease found in the state gets one fresh time to live.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #terms = new Map<string, Term>();
  #timer: Timer | undefined;
  #sweptAt: Monotonic;

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#sweptAt = options.clock.monotonic();
    this.#arm();
  }

  async claim(claim: LeaseClaim, session: LeaseSession): Promise<ClaimResult> {
    const { leases } = this.#options.view();
    if (leases.size >= leasesMax && leases.get(claim.id) === undefined)
      return { kind: 'refused', message: `there are ${leasesMax} leases already` };
    for (let tries = 0; tries < claimTriesMax; tries += 1) {
      const outcome = await this.#propose('lease claimed', this.#claimChange(claim));
      if (outcome.kind === 'failed') return outcome;
      if (outcome.kind === 'committed') {
        this.#granted(claim.id, outcome.index, session);
        return { kind: 'granted', epoch: outcome.index };
      }
      const { kind } = outcome.refusal;
      const raced =
        kind === 'version-conflict' || kind === 'already-exists' || kind === 'not-found';
      if (!raced) return { kind: 'refused', message: `the lease was refused: ${kind}` };
    }
    return { kind: 'refused', message: 'others claim the same lease at the same time' };
  }

  /** False when the lease is not held any more under this epoch. */
  renew(id: string, epoch: LogIndex): boolean {
    const term = this.#terms.get(id);
    if (term?.epoch !== epoch || !this.#options.leading()) return false;
    term.endsAt = this.#freshEnd();
    return true;
  }

  async release(id: string, epoch: LogIndex): Promise<void> {
    const term = this.#terms.get(id);
    if (term?.epoch !== epoch) return;
    term.session = undefined;
    await this.#end(id, term, 'lease released');
  }

  /** The holder's stream is gone: the lease stands until its time to live has passed. */
  detached(id: string, session: LeaseSession): void {
    const term = this.#terms.get(id);
    if (term?.session === session) term.session = undefined;
  }

  /** Time spent without leadership counts for nobody. */
  leadershipGained(): void {
    for (const term of this.#terms.values()) term.endsAt = this.#freshEnd();
  }

  /** Another voter keeps the leases now; it gives each a fresh time to live. */
  leadershipLost(): void {
    const sessions = [...this.#terms.values()].map((term) => term.session);
    this.#terms.clear();
    for (const session of sessions) session?.lost('this voter no longer leads the log');
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #granted(id: string, epoch: LogIndex, session: LeaseSession): void {
    const before = this.#terms.get(id);
    if (before !== undefined && before.epoch > epoch) {
      session.lost('the lease was claimed by another session');
      return;
    }
    this.#terms.set(id, { epoch, endsAt: this.#freshEnd(), ending: false, session });
    this.#options.logger.info({ lease: id, epoch }, 'lease_granted');
    if (before?.session !== session)
      before?.session?.lost('the lease was claimed by another session');
  }

  #claimChange(claim: LeaseClaim): Change {
    const existing = this.#options.view().leases.get(claim.id);
    const meta: Meta = existing?.meta ?? newMeta;
    const object: Lease = { ...claim, meta };
    return { op: existing === undefined ? 'create' : 'update', table: 'lease', object };
  }

  #propose(reason: string, change: Change): Promise<Outcome | LogFailure> {
    return this.#options.propose({
      id: newId(this.#options.random),
      actor: { kind: 'system', name: 'log' },
      reason,
      decidedAt: this.#options.view().index,
      changes: [change],
    });
  }

  #freshEnd(): Monotonic {
    return later(this.#options.clock.monotonic(), leaseTtlMs);
  }

  #arm(): void {
    this.#timer = this.#options.clock.after(leaseSweepMs, () => {
      this.#sweep();
      this.#arm();
    });
  }

  #sweep(): void {
    const now = this.#options.clock.monotonic();
    // If this voter itself stood still, renewals wait unread: nobody is to blame for them.
    const stoodStill = now - this.#sweptAt > leaseTtlMs / 2;
    this.#sweptAt = now;
    if (!this.#options.leading()) return;
    if (stoodStill) this.leadershipGained();
    const { leases } = this.#options.view();
    for (const [id, term] of this.#terms) {
      if (leases.get(id)?.meta.version === term.epoch) continue;
      this.#terms.delete(id);
      term.session?.lost('the lease was ended');
    }
    for (const lease of leases.values()) this.#check(lease, now);
  }

  #check(lease: Lease, now: Monotonic): void {
    const term = this.#terms.get(lease.id);
    if (term === undefined) {
      const epoch = lease.meta.version;
      const fresh = { epoch, endsAt: this.#freshEnd(), ending: false, session: undefined };
      this.#terms.set(lease.id, fresh);
      return;
    }
    if (term.endsAt > now || term.ending) return;
    void this.#end(lease.id, term, 'lease expired');
  }

  async #end(id: string, term: Term, reason: string): Promise<void> {
    term.ending = true;
    const outcome = await this.#propose(reason, {
      op: 'delete',
      table: 'lease',
      id,
      version: term.epoch,
    });
    term.ending = false;
    const { clock, logger } = this.#options;
    const about = { lease: id, epoch: term.epoch, reason };
    if (outcome.kind !== 'failed') {
      logger.info({ ...about, outcome: outcome.kind }, 'lease_ended');
      return;
    }
    term.endsAt = later(clock.monotonic(), endRetryMs);
    logger.warn({ ...about, code: outcome.code, reason: outcome.message }, 'lease_end_failed');
  }
}
