import type { Instant, LogIndex } from '@shoal/runtime';
import type { ChangeSet, Stage } from '@shoal/stage';
import { type AppliedChange, type Change, type Outcome, State, type StateView } from '@shoal/state';
import { createAllocator } from '../allocator.ts';
import { now } from './objects.ts';

/** Steps after one write before the allocator counts as restless. */
const stepsMax = 50;

/** A state, an allocator at work on it, and whoever else writes. */
export class FakeSwarm {
  readonly #state = new State();
  #stage: Stage;
  readonly #seen: StateView;
  #now = now;
  #changes: AppliedChange[] = [];
  #due = new Set<string>();
  #everything = false;
  /** What somebody writes after the next step has decided and before that is written. */
  between: (() => readonly Change[]) | undefined;

  /** `seenAs`: the view that the allocator is given. */
  constructor(stage: Stage = createAllocator(), seenAs = (view: StateView): StateView => view) {
    this.#stage = stage;
    this.#seen = seenAs(this.view);
  }

  get view(): StateView {
    return this.#state.view;
  }

  /** Time goes by. */
  pass(ms: number): void {
    this.#now = (this.#now + ms) as Instant;
  }

  /** Writes the changes in one transaction, which must be committed, and lets the allocator do its work. */
  write(...changes: readonly Change[]): this {
    const outcome = this.attempt(...changes);
    if (outcome?.kind === 'refused') throw new Error(`refused: ${JSON.stringify(outcome)}`);
    return this;
  }

  /** Writes the changes in one transaction that may be refused, and lets the allocator work. */
  attempt(...changes: readonly Change[]): Outcome | undefined {
    if (changes.length === 0) return undefined;
    const [outcome] = this.#apply([changes]);
    this.rest();
    return outcome;
  }

  /** The allocator ends, somebody writes the changes, and another one begins, which looks at everything. */
  restart(changes: readonly Change[] = [], stage: Stage = createAllocator()): this {
    const outcomes = changes.length > 0 ? this.#apply([changes]) : [];
    if (outcomes.some(({ kind }) => kind === 'refused'))
      throw new Error(`refused: ${JSON.stringify(outcomes)}`);
    this.#stage = stage;
    this.#changes = [];
    this.#everything = true;
    return this.rest();
  }

  rest(): this {
    for (let steps = 0; this.#hasWork; steps += 1) {
      if (steps === stepsMax) throw new Error('the allocator is restless');
      this.#step();
    }
    return this;
  }

  get #hasWork(): boolean {
    return this.#everything || this.#changes.length > 0 || this.#due.size > 0;
  }

  #step(): void {
    const everything = this.#everything;
    const changed: ChangeSet = { everything, changes: this.#changes, due: this.#due };
    this.#everything = false;
    this.#changes = [];
    this.#due = new Set();
    const keys: string[] = [];
    const all: (readonly Change[])[] = [];
    for (const decision of this.#stage.step(this.#seen, changed, this.#now, () => true)) {
      if (decision.kind === 'wake') continue;
      keys.push(decision.key);
      all.push(decision.changes);
    }
    const { between } = this;
    this.between = undefined;
    if (between !== undefined) this.#apply([between()]);
    if (all.length === 0) return;
    for (const [at, outcome] of this.#apply(all).entries())
      if (outcome.kind === 'refused') this.#due.add(keys[at] ?? '');
  }

  #apply(all: readonly (readonly Change[])[]): readonly Outcome[] {
    const { index } = this.view;
    const actor = { kind: 'user', name: 'fake' } as const;
    const transactions = all.map((changes, at) => {
      return { id: `${index}/${at}`, actor, reason: 'fake', decidedAt: index, changes };
    });
    const entry = this.#state.applyTransactions((index + 1) as LogIndex, this.#now, transactions);
    this.#changes.push(...entry.changes);
    return entry.outcomes;
  }
}
