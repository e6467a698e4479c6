import type { LogIndex } from '@shoal/runtime';
import type { AppliedEntry, StateView, Transaction } from '@shoal/state';

/** Keeps, beside the log, what it says of who changed what. */
export interface Audit {
  /** An entry was applied; `view` is the state after it. */
  applied(view: StateView, applied: AppliedEntry, transactions: readonly Transaction[]): void;
  /** A snapshot took the place of all entries up to `index`. */
  restored(index: LogIndex): void;
  /** Resolves when what was applied is kept as well as the disk allows; never rejects. */
  settle(): Promise<void>;
}
