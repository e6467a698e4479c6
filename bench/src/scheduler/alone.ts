import { performance } from 'node:perf_hooks';
import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { createScheduler } from '@shoal/scheduler';
import type { AppliedChange, Change, State, Transaction } from '@shoal/state';
import { makeTask, makeWorld, type Shape } from './world.ts';

export interface Measured {
  /** From the first step to the last assignment in the state, seconds. */
  readonly seconds: number;
  /** Spent in the scheduler itself, without the state machine, seconds. */
  readonly stepSeconds: number;
  /** What the whole cost the process, seconds of CPU. */
  readonly cpuSeconds: number;
}

const stepsMax = 10_000;
const actor = { kind: 'stage', name: 'scheduler' } as const;
const now = 1_700_000_100_000 as Instant;

/** One scheduler over one state: step, apply what it decided, step on what that changed. */
class Alone {
  readonly state: State;
  readonly #stage = createScheduler();
  #everything = true;
  #changes: readonly AppliedChange[] = [];
  #transactions = 0;
  stepSeconds = 0;

  constructor(state: State) {
    this.state = state;
  }

  write(changes: readonly Change[]): void {
    this.#changes = this.#apply([this.#transaction('bench', changes)]);
  }

  rest(): void {
    for (let step = 0; this.#everything || this.#changes.length > 0; step += 1) {
      invariant(step < stepsMax, 'the scheduler does not come to rest');
      this.#step();
    }
  }

  #step(): void {
    const changed = {
      everything: this.#everything,
      changes: this.#changes,
      due: new Set<string>(),
    };
    const startedAt = performance.now();
    const decisions = [...this.#stage.step(this.state.view, changed, now, () => true)];
    this.stepSeconds += (performance.now() - startedAt) / 1_000;
    this.#everything = false;
    const decided = decisions.flatMap((decision) =>
      decision.kind === 'wake' ? [] : [this.#transaction(decision.reason, decision.changes)],
    );
    this.#changes = decided.length === 0 ? [] : this.#apply(decided);
  }

  #transaction(reason: string, changes: readonly Change[]): Transaction {
    this.#transactions += 1;
    const id = `transaction${this.#transactions}`;
    return { id, actor, reason, decidedAt: this.state.view.index, changes };
  }

  #apply(transactions: readonly Transaction[]): readonly AppliedChange[] {
    const index = (this.state.view.index + 1) as LogIndex;
    return this.state.applyTransactions(index, now, transactions).changes;
  }
}

function cpuSecondsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/**
 * That of the first run. A scheduler at work always has nodes, tasks and what it remembers of them; where
 * nothing of the kind is alive, the engine throws away with the garbage what it has compiled for them.
 */
const kept: Alone[] = [];

/** The time from a cluster with every task pending until every task has a node. */
export function measureAlone(shape: Shape): Measured {
  const alone = new Alone(makeWorld(shape));
  const startedAt = performance.now();
  const cpuSeconds = cpuSecondsOf(() => alone.rest());
  const seconds = (performance.now() - startedAt) / 1_000;
  if (kept.length === 0) kept.push(alone);
  const assigned = [...alone.state.view.tasks.byState('assigned')].length;
  invariant(assigned === shape.tasks, 'tasks were left behind', { assigned });
  return { seconds, stepSeconds: alone.stepSeconds, cpuSeconds };
}

/** CPU milliseconds of one more task in a cluster at rest, from its creation to its node: each run. */
export function measureOneMore(shape: Shape, runs: number): readonly number[] {
  const alone = new Alone(makeWorld(shape));
  alone.rest();
  return Array.from({ length: runs }, (_, run) => {
    alone.write([{ op: 'create', table: 'task', object: makeTask(shape, shape.tasks + run, run) }]);
    return 1_000 * cpuSecondsOf(() => alone.rest());
  });
}
