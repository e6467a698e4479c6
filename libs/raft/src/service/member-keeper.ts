import { type Clock, type Logger, newId, type Random, type Timer } from '@shoal/runtime';
import type { Change, Outcome, StateView, Transaction } from '@shoal/state';
import type { ChangeFailure, ChangeOutcome, TransferOutcome } from '../node/outcomes.ts';
import { decide, type MemberAction, membersStatus } from './members.ts';
import type { LogFailure, MembershipLog } from './served-log.ts';

/** How often members and nodes are compared when nothing is known to have changed, milliseconds. */
const memberCheckMs = 1_000;
/** Pause before members and nodes are compared again while a step is left to do, milliseconds. */
const memberRetryMs = 100;

export interface MemberKeeperOptions {
  readonly log: MembershipLog;
  readonly view: () => StateView;
  /** Proposes one transaction and resolves with its outcome on this voter's own state. */
  readonly propose: (transaction: Transaction) => Promise<Outcome | LogFailure>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

type Failed = ChangeFailure | LogFailure;

function failed(outcome: ChangeOutcome | TransferOutcome): Failed | undefined {
  return outcome.kind === 'failed' ? outcome : undefined;
}

/** The leader's care that the log's members are the cluster's managers; see {@link decide}. */
export class MemberKeeper {
  readonly #options: MemberKeeperOptions;
  readonly #stopListening: () => void;
  #timer: Timer | undefined;
  #acting = false;
  #again = false;
  #lastTrouble = '';

  constructor(options: MemberKeeperOptions) {
    this.#options = options;
    this.#stopListening = options.log.onMembership(() => this.poke());
    this.#arm(memberCheckMs);
  }

  /** Something changed that may call for a step. */
  poke(): void {
    this.#again = true;
    if (!this.#acting) this.#arm(0);
  }

  stop(): void {
    this.#stopListening();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#acting = true;
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(delayMs, () => void this.#step());
  }

  async #step(): Promise<void> {
    if (this.#acting) return;
    this.#acting = true;
    this.#again = false;
    const done = await this.#act();
    if (this.#timer === undefined) return;
    this.#acting = false;
    if (this.#again && done) this.#arm(0);
    else this.#arm(done ? memberCheckMs : memberRetryMs);
  }

  /** False when something is left to do. */
  async #act(): Promise<boolean> {
    const { log, view } = this.#options;
    const { status } = log;
    if (status.role !== 'leader') return true;
    const actions = decide(view(), log.membership, membersStatus(status));
    let done = true;
    for (const action of actions) if (!(await this.#do(action))) done = false;
    // A learner is promoted soon after it has caught up.
    return done && log.membership.learners.length === 0;
  }

  async #do(action: MemberAction): Promise<boolean> {
    const { log, logger } = this.#options;
    const about = aboutOf(action);
    const outcome = await this.#carryOut(action, log);
    if (outcome === undefined) {
      logger.info(about, 'member_change');
      this.#lastTrouble = '';
      return true;
    }
    const trouble = `${about.action} ${about.id} ${outcome.message}`;
    // Another change is under way: it is tried many times.
    if (trouble !== this.#lastTrouble && outcome.code !== 'busy')
      logger.warn(
        { ...about, code: outcome.code, reason: outcome.message },
        'member_change_failed',
      );
    this.#lastTrouble = trouble;
    return false;
  }

  /** Why it could not be done, if so. */
  async #carryOut(action: MemberAction, log: MembershipLog): Promise<Failed | undefined> {
    switch (action.kind) {
      case 'change':
        return failed(await log.changeMembership(action.change));
      case 'transfer':
        return failed(await log.transferLeadership());
      case 'write': {
        const change = { op: 'update', table: 'node', object: action.node } as const;
        const outcome = await this.#write(change, action.reason);
        // A node that changed meanwhile is looked at again.
        return outcome.kind === 'failed' ? outcome : undefined;
      }
    }
  }

  async #write(change: Change, reason: string): Promise<Outcome | LogFailure> {
    const { propose, random, view } = this.#options;
    return propose({
      id: newId(random),
      actor: { kind: 'system', name: 'log' },
      reason,
      decidedAt: view().index,
      changes: [change],
    });
  }
}

function aboutOf(action: MemberAction): { action: string; id: string | number; reason: string } {
  const { reason } = action;
  if (action.kind === 'write') return { action: 'write', id: action.node.id, reason };
  if (action.kind === 'transfer') return { action: 'transfer', id: '', reason };
  const { change } = action;
  return {
    action: change.kind,
    id: change.kind === 'add-learner' ? change.member.id : change.id,
    reason,
  };
}
