import type { Logger } from '@shoal/runtime';
import { idsOf } from '../core/membership.ts';
import { isRemoved, type Raft } from '../core/state.ts';
import type { Membership } from '../types.ts';
import { Listeners } from './listeners.ts';
import type { Transport } from './transport.ts';

/** Notices what becomes of this voter, and tells: who keeps the log, whether it leads, that it was removed. */
export class Notices {
  readonly memberships = new Listeners<[membership: Membership]>();
  readonly leadership = new Listeners<[leading: boolean]>();
  readonly removals = new Listeners<[]>();
  readonly #raft: Raft;
  readonly #logger: Logger;
  readonly #transport: Transport | undefined;
  #membership: Membership;
  #leading = false;
  #removed = false;

  constructor(raft: Raft, logger: Logger, transport: Transport | undefined) {
    this.#raft = raft;
    this.#logger = logger;
    this.#transport = transport;
    this.#membership = raft.memberships.newest.membership;
  }

  get membership(): Membership {
    return this.#membership;
  }

  get leading(): boolean {
    return this.#leading;
  }

  get removed(): boolean {
    return this.#removed;
  }

  tellTransport(): void {
    const { voters, learners } = this.#membership;
    this.#transport?.members([...voters, ...learners]);
  }

  noteMembership(): void {
    const { membership } = this.#raft.memberships.newest;
    if (membership === this.#membership) return;
    this.#membership = membership;
    const { voters, learners } = membership;
    this.#logger.info({ voters: idsOf(voters), learners: idsOf(learners) }, 'log_membership');
    this.tellTransport();
    this.memberships.call(membership);
  }

  /** Whether this voter has just begun or ceased to lead. */
  noteLeadership(): boolean {
    const { role, term } = this.#raft;
    const leading = role.kind === 'leader';
    if (leading === this.#leading) return false;
    this.#leading = leading;
    this.#logger.info({ term, leading }, 'log_leadership');
    this.leadership.call(leading);
    return true;
  }

  noteRemoval(): void {
    if (this.#removed || !isRemoved(this.#raft)) return;
    this.#removed = true;
    this.#logger.warn({ id: this.#raft.id }, 'log_voter_removed');
    this.removals.call();
  }
}
