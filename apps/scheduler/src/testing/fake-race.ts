import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { rendezvous, type Stage } from '@shoal/stage';
import type { AppliedChange, Change, Refusal, State, Transaction } from '@shoal/state';
import { createScheduler } from '../scheduler.ts';

const roundsMax = 200;

interface Replica {
  readonly id: string;
  stage: Stage;
  everything: boolean;
  changes: AppliedChange[];
  due: Set<string>;
  wakes: Map<string, Instant>;
}

interface Wanted {
  readonly replica: Replica;
  readonly key: string;
  readonly changes: readonly Change[];
}

/**
 * Schedulers that divide the services and decide all on the same state before any of them commits, so
 * that they get in each other's way as often as can be.
 */
export class FakeRace {
  readonly refusals: Refusal[] = [];
  readonly #state: State;
  /** Between two looks of one and the other at who is there, both may think that a service is theirs. */
  readonly #allClaimAll: boolean;
  #replicas: Replica[];
  #transactions = 0;
  now = 1_700_000_000_000 as Instant;

  constructor(state: State, count: number, allClaimAll = false) {
    this.#state = state;
    this.#allClaimAll = allClaimAll;
    this.#replicas = Array.from({ length: count }, (_, at) => ({
      id: `scheduler@node/${at}`,
      stage: createScheduler(),
      everything: true,
      changes: [],
      due: new Set<string>(),
      wakes: new Map<string, Instant>(),
    }));
  }

  /** kill -9 of one; the others take over its services when its lease is gone. */
  crash(at: number): void {
    if (this.#replicas.length === 1) return;
    this.#replicas.splice(at % this.#replicas.length, 1);
    for (const replica of this.#replicas) replica.everything = true;
  }

  write(changes: readonly Change[]): void {
    const [outcome] = this.#apply([changes]);
    invariant(outcome?.kind === 'committed', 'a move was refused', { outcome });
  }

  /** One round: all decide, then all commit, in an order that differs from round to round. */
  round(): boolean {
    const { replicas, owner } = this.#ownership();
    const wanted: Wanted[] = [];
    for (const replica of replicas) {
      const mine = (key: string): boolean => this.#allClaimAll || owner(key) === replica.id;
      wanted.push(...this.#decide(replica, mine));
    }
    if (this.#transactions % 2 === 1) wanted.reverse();
    const outcomes = this.#apply(wanted.map(({ changes }) => changes));
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.kind !== 'refused') continue;
      this.refusals.push(outcome.refusal);
      wanted[at]?.replica.due.add(wanted[at].key);
    }
    return replicas.some(
      ({ everything, changes, due }) => everything || changes.length + due.size > 0,
    );
  }

  settle(): void {
    for (let rounds = 0; ; rounds += 1) {
      invariant(rounds < roundsMax, 'the schedulers are restless');
      if (!this.round() && !this.#wake()) return;
    }
  }

  #ownership() {
    const { owner } = rendezvous(this.#replicas.map(({ id }) => id));
    return { replicas: this.#replicas, owner };
  }

  #decide(replica: Replica, mine: (key: string) => boolean): Wanted[] {
    const { everything, changes, due } = replica;
    if (!everything && changes.length === 0 && due.size === 0) return [];
    replica.everything = false;
    replica.changes = [];
    replica.due = new Set();
    const changed = { everything, changes, due };
    const wanted: Wanted[] = [];
    for (const decision of replica.stage.step(this.#state.view, changed, this.now, mine))
      if (decision.kind === 'wake') replica.wakes.set(decision.key, decision.at);
      else wanted.push({ replica, key: decision.key, changes: decision.changes });
    return wanted;
  }

  /** Nothing moves: time goes on to the next wake. False when there is none. */
  #wake(): boolean {
    const next = Math.min(...this.#replicas.flatMap(({ wakes }) => [...wakes.values()]));
    if (next === Number.POSITIVE_INFINITY) return false;
    this.now = Math.max(this.now, next) as Instant;
    for (const replica of this.#replicas)
      for (const [key, at] of replica.wakes)
        if (at <= this.now) {
          replica.wakes.delete(key);
          replica.due.add(key);
        }
    return true;
  }

  #apply(all: readonly (readonly Change[])[]) {
    if (all.length === 0) return [];
    const { view } = this.#state;
    const transactions = all.map((changes): Transaction => {
      this.#transactions += 1;
      const id = `race${this.#transactions}`;
      const actor = { kind: 'stage', name: 'fake' } as const;
      return { id, actor, reason: 'fake', decidedAt: view.index, changes };
    });
    const index = (view.index + 1) as LogIndex;
    const { changes, outcomes } = this.#state.applyTransactions(index, this.now, transactions);
    for (const replica of this.#replicas) replica.changes.push(...changes);
    return outcomes;
  }
}
