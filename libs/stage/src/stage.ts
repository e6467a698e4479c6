import type { Instant } from '@shoal/runtime';
import type { AppliedChange, Change, StateView } from '@shoal/state';

export type StageName = 'orchestrator' | 'allocator' | 'scheduler' | 'dispatcher';

/** What moved since the last step. There for speed alone: it must never change where stepping ends. */
export interface ChangeSet {
  /** Look at everything: at start, after a snapshot, and when ownership moved between replicas. */
  readonly everything: boolean;
  readonly changes: readonly AppliedChange[];
  /** Keys whose wake time has come, and keys whose last transaction was refused. */
  readonly due: ReadonlySet<string>;
}

/** What a step wants done. */
export type Decision =
  | {
      readonly kind: 'transaction';
      /** What the decision is about; if it is refused, the next step gets this key in `due`. */
      readonly key: string;
      readonly reason: string;
      readonly changes: readonly Change[];
    }
  | {
      readonly kind: 'wake';
      /** Step again with this key in `due` at `at` (or sooner). A later wake of the same key replaces it. */
      readonly key: string;
      readonly at: Instant;
    };

/**
 * A control loop as a function: given the replicated state and the time, what should change?
 * No I/O, no clock, no chance, no state of its own but caches that can be lost at any time.
 * The shell proposes all transactions of a step and waits for their outcomes before the next step,
 * so a step always sees the effect of the one before.
 */
export interface Stage {
  readonly name: StageName;
  /** `mine(key)` says whether this replica owns `key`; keys of others must be left alone. */
  step(
    view: StateView,
    changed: ChangeSet,
    now: Instant,
    mine: (key: string) => boolean,
  ): Iterable<Decision>;
}
