import type { LogIndex } from '@shoal/runtime';
import type { Entry } from './types.ts';

/** What the log drives. Deterministic: the same entries give the same state on every voter. */
export interface StateMachine {
  /** Applies committed entries of kind `normal`, in order, each exactly once. */
  apply(entry: Entry): void;
  /** A consistent image of the state as it is now; the chunks are produced lazily while applies go on. */
  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> };
  /**
   * Resolves when what is kept beside the log of entries that were applied is durable: a snapshot is to take
   * their place, and they are not applied again. Never rejects.
   */
  settle?(): Promise<void>;
  /** Replaces the whole state. */
  restore(chunks: AsyncIterable<Uint8Array>): Promise<void>;
}
