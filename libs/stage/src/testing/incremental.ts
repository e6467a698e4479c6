import type { Instant, LogIndex } from '@shoal/runtime';
import {
  type AppliedChange,
  type AppliedEntry,
  type Change,
  encodePayload,
  encodeTransaction,
  State,
  type StateView,
  type Transaction,
} from '@shoal/state';
import type { ChangeSet, Decision, Stage } from '../stage.ts';

/** Steps after one move before a stage counts as restless. */
const stepsMax = 200;

export interface IncrementalOptions {
  /** A new instance with empty caches; called often. */
  readonly stage: () => Stage;
  /**
   * What others write, one transaction a move, from the state as it then is. A refused one is no error:
   * generators need not know every rule.
   */
  readonly moves: readonly ((view: StateView) => readonly Change[])[];
  /** Time that passes after each move, milliseconds. */
  readonly moveMs?: number;
  readonly startAt?: Instant;
  /**
   * What of the end state must be the same however it was stepped to. Give it when the moves do not
   * read what the stage writes.
   */
  readonly project?: (view: StateView) => unknown;
}

/**
 * Throws unless stepping through many small changes ends where a look at everything ends: after each
 * move, once the stage under test is at rest, a fresh instance that looks at everything must find
 * nothing more to do and ask for no wake that the one under test does not have.
 */
export function expectIncrementalEqualsWhole(options: IncrementalOptions): void {
  const stepped = new SteppedState(options.stage(), options.startAt);
  stepped.rest(true);
  for (const [at, move] of options.moves.entries()) {
    stepped.move(move);
    stepped.rest(false);
    compareWithWhole(stepped, options.stage(), `after move ${at}`);
    stepped.pass(options.moveMs ?? 0);
  }
  if (options.project === undefined) return;
  const whole = new SteppedState(options.stage(), options.startAt);
  for (const move of options.moves) {
    whole.move(move);
    whole.pass(options.moveMs ?? 0);
  }
  whole.rest(true);
  const one = JSON.stringify(options.project(stepped.view));
  const other = JSON.stringify(options.project(whole.view));
  if (one !== other) throw new Error(`many steps ended at ${one}, one step at ${other}`);
}

function compareWithWhole(stepped: SteppedState, fresh: Stage, when: string): void {
  const everything: ChangeSet = { everything: true, changes: [], due: new Set() };
  for (const decision of fresh.step(stepped.view, everything, stepped.now, () => true)) {
    if (decision.kind === 'transaction') {
      const text = JSON.stringify({ key: decision.key, changes: decision.changes });
      throw new Error(`${when} a look at everything still wants "${decision.reason}": ${text}`);
    }
    const known = stepped.wakeOf(decision.key);
    if (known === undefined || known > decision.at)
      throw new Error(
        `${when} the wake of ${decision.key} at ${decision.at} was missed (${known})`,
      );
  }
}

/** A state and the one stage that works on it, without log, lease or time of its own. */
class SteppedState {
  readonly #state = new State();
  readonly #stage: Stage;
  readonly #wakes = new Map<string, Instant>();
  #changes: AppliedChange[] = [];
  #due = new Set<string>();
  #transactions = 0;
  #index = 0 as LogIndex;
  now: Instant;

  constructor(stage: Stage, startAt = 1_700_000_000_000 as Instant) {
    this.#stage = stage;
    this.now = startAt;
  }

  get view(): StateView {
    return this.#state.view;
  }

  wakeOf(key: string): Instant | undefined {
    return this.#wakes.get(key);
  }

  move(changesOf: (view: StateView) => readonly Change[]): void {
    const changes = changesOf(this.view);
    if (changes.length > 0) this.#apply([this.#transaction('user', 'a move', changes)]);
  }

  pass(ms: number): void {
    this.now = (this.now + ms) as Instant;
  }

  /** Steps until the stage wants nothing more. */
  rest(everything: boolean): void {
    let all = everything;
    for (let steps = 0; all || this.#moved(); steps += 1) {
      if (steps === stepsMax) throw new Error(`the stage is not at rest after ${stepsMax} steps`);
      this.#step(all);
      all = false;
    }
  }

  #moved(): boolean {
    for (const [key, at] of this.#wakes) {
      if (at > this.now) continue;
      this.#wakes.delete(key);
      this.#due.add(key);
    }
    return this.#changes.length > 0 || this.#due.size > 0;
  }

  #step(everything: boolean): void {
    const changed: ChangeSet = { everything, changes: this.#changes, due: this.#due };
    this.#changes = [];
    this.#due = new Set();
    const decisions: Decision[] = [];
    for (const decision of this.#stage.step(this.view, changed, this.now, () => true))
      decisions.push(decision);
    const keys: string[] = [];
    const transactions: Transaction[] = [];
    for (const decision of decisions) {
      if (decision.kind === 'wake') {
        this.#wakes.set(decision.key, decision.at);
        continue;
      }
      keys.push(decision.key);
      transactions.push(this.#transaction('stage', decision.reason, decision.changes));
    }
    if (transactions.length === 0) return;
    for (const [at, outcome] of this.#apply(transactions).outcomes.entries())
      if (outcome.kind === 'refused') this.#due.add(keys[at] ?? '');
  }

  #transaction(kind: 'user' | 'stage', reason: string, changes: readonly Change[]): Transaction {
    this.#transactions += 1;
    const id = `transaction-${this.#transactions}`;
    const actor = { kind, name: this.#stage.name };
    return { id, actor, reason, decidedAt: this.#index, changes };
  }

  #apply(transactions: readonly Transaction[]): AppliedEntry {
    this.#index = (this.#index + 1) as LogIndex;
    const payload = encodePayload(this.now, transactions.map(encodeTransaction));
    const applied = this.#state.apply(this.#index, payload);
    this.#changes.push(...applied.changes);
    return applied;
  }
}
