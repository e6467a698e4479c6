import { createAllocator } from '@shoal/allocator';
import { createOrchestrator } from '@shoal/orchestrator';
import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { createScheduler } from '@shoal/scheduler';
import type { Decision, Stage } from '@shoal/stage';
import type {
  Actor,
  AppliedChange,
  Change,
  Fork,
  Outcome,
  StateView,
  Transaction,
} from '@shoal/state';
import { advanced } from './ideal-agent.ts';
import type { Sliced } from './slices.ts';
import { Touched } from './touched.ts';
import { Unsettled } from './unsettled.ts';

/** Rounds of all stages in one rehearsal; what is not quiet by then is reported as it stands. */
export const roundsMax = 20_000;
/** Decisions taken from a stage between two pauses. */
const decisionsPerSlice = 200;
/** Tasks that agents move between two pauses. */
const tasksPerSlice = 500;

/** How long a rehearsal may go on. */
export interface Patience {
  /** Time that may pass in the rehearsal, milliseconds. */
  readonly withinMs: number;
  /** A wake of this key is waited for even when no task is on its way. */
  readonly follows?: string | undefined;
}

class Player {
  readonly stage: Stage;
  everything = true;
  changes: AppliedChange[] = [];
  due = new Set<string>();
  readonly wakes = new Map<string, Instant>();

  constructor(stage: Stage) {
    this.stage = stage;
  }

  /** What the stage is to look at; undefined when nothing moved. */
  take(now: Instant) {
    for (const [key, at] of this.wakes)
      if (at <= now) {
        this.wakes.delete(key);
        this.due.add(key);
      }
    const { everything, changes, due } = this;
    if (!everything && changes.length === 0 && due.size === 0) return undefined;
    this.everything = false;
    this.changes = [];
    this.due = new Set();
    return { everything, changes, due };
  }
}

/**
 * The control plane played through on a fork of the state: the real stages, agents that never fail, and a
 * clock that jumps to the next moment at which something is due.
 */
export class Rehearsal {
  readonly #fork: Fork;
  readonly #touched = new Touched();
  readonly #players: readonly Player[];
  readonly #unsettled = new Unsettled();
  /** Tasks that their agents have not looked at. */
  readonly #stirred = new Set<string>();
  /** Log index of the state that was forked. */
  readonly index: LogIndex;
  #now: Instant;
  #transactions = 0;

  constructor(fork: Fork, now: Instant) {
    this.#fork = fork;
    this.index = fork.view.index;
    this.#now = now;
    const stages = [createOrchestrator(), createAllocator(), createScheduler()];
    this.#players = stages.map((stage) => new Player(stage));
    for (const task of fork.view.tasks.values()) {
      this.#stirred.add(task.id);
      this.#unsettled.look(fork.view, task.id);
    }
  }

  get view(): StateView {
    return this.#fork.view;
  }

  get now(): Instant {
    return this.#now;
  }

  /** Ids of tasks that the scheduler or the allocator left waiting, with their words for why. */
  get waiting(): ReadonlyMap<string, string> {
    return this.#unsettled.waiting;
  }

  /** Places whose tasks changed since the mark, with the task that lived there then. */
  get touched(): Touched {
    return this.#touched;
  }

  /** What the hypothesis changes. */
  suppose(changes: readonly Change[]): void {
    const [outcome] = this.#write({ kind: 'user', name: 'plan' }, [{ reason: 'suppose', changes }]);
    invariant(outcome?.kind === 'committed', 'a hypothesis was refused', { outcome });
  }

  mark(): void {
    this.#fork.mark();
    this.#touched.clear();
  }

  /** Everything is again as it was at the mark, time included. */
  rewind(now: Instant): void {
    this.#hear(this.#fork.rewind());
    this.#now = now;
    this.#touched.clear();
    this.#stirred.clear();
    for (const player of this.#players) player.wakes.clear();
  }

  /** Plays on until nothing moves; gives false when its patience ended before that. */
  *settle({ withinMs, follows }: Patience): Sliced<boolean> {
    const end = this.#now + withinMs;
    for (let round = 0; round < roundsMax; round += 1) {
      let moved = false;
      for (const player of this.#players) if (yield* this.#play(player)) moved = true;
      if (yield* this.#agents()) moved = true;
      yield undefined;
      if (moved) continue;
      const next = this.#nextWake(follows);
      if (next === undefined) return true;
      if (next > end) return false;
      this.#now = Math.max(next, this.#now) as Instant;
    }
    return false;
  }

  *#play(player: Player): Sliced<boolean> {
    const changed = player.take(this.#now);
    if (changed === undefined) return false;
    const wanted: (Decision & { readonly kind: 'transaction' })[] = [];
    let seen = 0;
    for (const decision of player.stage.step(this.view, changed, this.#now, () => true)) {
      if (decision.kind === 'wake') player.wakes.set(decision.key, decision.at);
      else wanted.push(decision);
      seen += 1;
      if (seen % decisionsPerSlice === 0) yield undefined;
    }
    for (let from = 0; from < wanted.length; from += decisionsPerSlice) {
      const some = wanted.slice(from, from + decisionsPerSlice);
      const outcomes = this.#write({ kind: 'stage', name: player.stage.name }, some);
      for (const [at, { kind }] of outcomes.entries())
        if (kind === 'refused') player.due.add(some[at]?.key ?? '');
      yield undefined;
    }
    return wanted.length > 0;
  }

  *#agents(): Sliced<boolean> {
    const stirred = [...this.#stirred];
    this.#stirred.clear();
    let moved = false;
    for (let from = 0; from < stirred.length; from += tasksPerSlice) {
      const acts = stirred.slice(from, from + tasksPerSlice).flatMap((id) => {
        const task = this.view.tasks.get(id);
        const object = task && advanced(this.view, task, this.#now);
        const changes = object && [{ op: 'update', table: 'task', object } as const];
        return changes === undefined ? [] : [{ reason: 'observed', changes }];
      });
      if (acts.length > 0) {
        this.#write({ kind: 'agent', name: 'ideal agent' }, acts);
        moved = true;
      }
      yield undefined;
    }
    return moved;
  }

  /** The next moment that something under way waits for. */
  #nextWake(follows: string | undefined): Instant | undefined {
    let next: Instant | undefined;
    const concerned = this.#unsettled.services(this.view);
    for (const { wakes } of this.#players)
      for (const [key, at] of wakes)
        if (key === follows || at <= this.#now || concerned.has(key))
          if (next === undefined || at < next) next = at;
    return next;
  }

  #write(
    actor: Actor,
    all: readonly { readonly reason: string; readonly changes: readonly Change[] }[],
  ): readonly Outcome[] {
    const transactions = all.map(({ reason, changes }): Transaction => {
      this.#transactions += 1;
      return {
        id: `plan${this.#transactions}`,
        actor,
        reason,
        decidedAt: this.view.index,
        changes,
      };
    });
    const entry = this.#fork.write(this.#now, transactions);
    this.#hear(entry.changes);
    return entry.outcomes;
  }

  #hear(changes: readonly AppliedChange[]): void {
    for (const change of changes) {
      for (const player of this.#players) player.changes.push(change);
      if (change.table === 'task') {
        this.#touched.note(this.view, change.before, change.after);
        this.#stir(change.id);
      }
      if (change.table === 'node')
        for (const { id } of this.view.tasks.byNode(change.id)) this.#stir(id);
    }
  }

  #stir(taskId: string): void {
    this.#stirred.add(taskId);
    this.#unsettled.look(this.view, taskId);
  }
}
