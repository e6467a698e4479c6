import { EntryKind, type FollowResponse } from '@shoal/proto';
import { invariant, type LogIndex } from '@shoal/runtime';
import { type Restore, State, type StateView } from '@shoal/state';
import type { ReplicaEvent } from '../replica.ts';

/** What one message of the follow stream did. */
export type Received =
  | { readonly kind: 'taken' }
  /** The stream does not continue where this follower stands: it must be opened anew. */
  | { readonly kind: 'broken'; readonly reason: string };

/** A follower's copy of the state, fed message by message. */
export class FollowerState {
  readonly #state = new State();
  readonly #listeners = new Set<(event: ReplicaEvent) => void>();
  #restore: Restore | undefined;
  #cursor = 0 as LogIndex;
  #committed = 0 as LogIndex;
  #ready = false;

  get view(): StateView {
    return this.#state.view;
  }

  /** Index of the last log entry taken, also of those that carry no transactions. */
  get cursor(): LogIndex {
    return this.#cursor;
  }

  /** The highest committed index heard of. */
  get committed(): LogIndex {
    return this.#committed;
  }

  get ready(): boolean {
    return this.#ready;
  }

  subscribe(listener: (event: ReplicaEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A new stream begins: half a snapshot from the last one is worth nothing. */
  streamOpened(): void {
    this.#restore = undefined;
  }

  receive(message: FollowResponse): Received {
    const { body } = message;
    if (body === undefined) return { kind: 'taken' };
    if (body.$case === 'snapshot') {
      if (body.value.index < this.#cursor)
        return {
          kind: 'broken',
          reason: `a snapshot of ${body.value.index} is older than ${this.#cursor}`,
        };
      this.#restore ??= this.#state.restore();
      this.#restore.push(body.value.data);
      if (body.value.last) this.#restored(body.value.index as LogIndex);
      return { kind: 'taken' };
    }
    for (const entry of body.value.entries) {
      if (entry.index <= this.#cursor) continue;
      if (entry.index !== this.#cursor + 1)
        return { kind: 'broken', reason: `entry ${entry.index} came after ${this.#cursor}` };
      this.#cursor = entry.index as LogIndex;
      if (entry.kind === EntryKind.NORMAL)
        this.#emit({ kind: 'applied', entry: this.#state.apply(this.#cursor, entry.data) });
      else this.#state.advance(this.#cursor);
    }
    this.#heardCommitted(body.value.committed as LogIndex);
    return { kind: 'taken' };
  }

  #restored(index: LogIndex): void {
    invariant(this.#restore !== undefined, 'a snapshot ended that never began');
    this.#restore.finish();
    this.#restore = undefined;
    if (index > this.view.index) this.#state.advance(index);
    this.#cursor = index;
    this.#emit({ kind: 'reset', index });
  }

  #heardCommitted(committed: LogIndex): void {
    if (committed > this.#committed) this.#committed = committed;
    if (this.#cursor >= committed) this.#ready = true;
  }

  #emit(event: ReplicaEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
