import { type Instant, invariant, type LogIndex } from '@shoal/runtime';
import { Applier } from './applier.ts';
import type { StateObject, TableName, Tables } from './objects.ts';
import { StateTables, tableOrder } from './tables/state-tables.ts';
import { tablesBehind, viewOf } from './tables/view-of.ts';
import type { AppliedChange, AppliedEntry, Transaction } from './transaction.ts';
import type { StateView } from './view.ts';

/** Objects taken over between two pauses of {@link forkOf}. */
export const forkSliceObjects = 2_000;

/**
 * A state of its own that began as a copy of another and goes its own way: the same objects, the same
 * rules, indices of its own. Nothing written here is ever seen there.
 */
export class Fork {
  readonly view: StateView;
  readonly #tables: StateTables;
  readonly #applier: Applier;
  #index: LogIndex;
  #time: Instant;
  /** What was written since the mark, oldest first; undefined while there is no mark. */
  #written: AppliedChange[] | undefined;

  constructor(tables: StateTables, index: LogIndex, time: Instant) {
    this.#tables = tables;
    this.#applier = new Applier(tables);
    this.#index = index;
    this.#time = time;
    this.view = viewOf(
      () => this.#index,
      () => this.#time,
      () => this.#tables,
    );
  }

  /** Applies the transactions as the next entry. */
  write(time: Instant, transactions: readonly Transaction[]): AppliedEntry {
    this.#index = (this.#index + 1) as LogIndex;
    this.#time = time;
    const entry = this.#applier.apply(this.#index, time, transactions);
    if (this.#written !== undefined) for (const change of entry.changes) this.#written.push(change);
    return entry;
  }

  /** Remembers the state as it is now, for {@link rewind}. */
  mark(): void {
    this.#written = [];
  }

  /**
   * Goes back to the mark, which stays. Gives the changes that led back, in order, so that whoever
   * follows the fork can follow this too. Objects that had been deleted come back as the youngest of
   * their table; the index goes on.
   */
  rewind(): readonly AppliedChange[] {
    const back = (this.#written ?? []).reverse().map(inverse);
    for (const change of back) this.#put(change);
    this.#written = [];
    return back;
  }

  #put({ table, before, after }: AppliedChange): void {
    if (after === undefined) this.#tables.remove(table, before as Tables[TableName]);
    else if (before === undefined) this.#tables.insert(table, after);
    else {
      const row = this.#tables.of(table).row(before.id);
      invariant(row !== undefined, 'a change of what is not there', { table });
      this.#tables.replace(table, row, after);
    }
  }
}

function inverse({ table, id, before, after }: AppliedChange): AppliedChange {
  return { table, id, before: after, after: before } as AppliedChange;
}

/**
 * Forks the state behind `view`. What is copied is settled at the first step of the generator; the
 * others build the indices, {@link forkSliceObjects} at a time, so that the caller can do other things in
 * between while the original goes on.
 */
export function* forkOf(view: StateView): Generator<undefined, Fork> {
  const { index, time } = view;
  // Objects are immutable, so references to them are a consistent image.
  const origin = tablesBehind(view);
  const image = tableOrder.map((table) => [table, [...origin.of(table).values()]] as const);
  const tables = new StateTables();
  let taken = 0;
  for (const [table, objects] of image)
    for (const object of objects as readonly StateObject[]) {
      tables.insert(table, object as Tables[TableName]);
      taken += 1;
      if (taken % forkSliceObjects === 0) yield undefined;
    }
  return new Fork(tables, index, time);
}
