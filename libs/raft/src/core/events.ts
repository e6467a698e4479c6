import type { LogIndex, Monotonic, Term } from '@shoal/runtime';
import type { StoreWork } from '../storage.ts';
import type { Entry, MembershipChange, SnapshotMeta, VoterId } from '../types.ts';
import type { Envelope, Message } from './messages.ts';

/**
 * What the outside told the core. Time is a tick; `at` is read from a clock besides, for read leases
 * alone, and may be absent.
 */
export type Event =
  | { readonly kind: 'tick'; readonly at?: Monotonic | undefined }
  | {
      readonly kind: 'received';
      readonly from: VoterId;
      readonly message: Message;
      readonly at?: Monotonic | undefined;
    }
  /** Several at once cost one append; they get consecutive indexes. */
  | { readonly kind: 'proposed'; readonly data: readonly Uint8Array[] }
  | { readonly kind: 'membership-proposed'; readonly change: MembershipChange }
  /** Hand leadership to this voter, or to the one that is furthest. */
  | { readonly kind: 'transfer-requested'; readonly to: VoterId | undefined }
  /** Stand for election now instead of at the election timeout. */
  | { readonly kind: 'campaign' }
  /** `token` is the caller's; it comes back in {@link Ready.reads}. */
  | {
      readonly kind: 'read-requested';
      readonly token: number;
      readonly at?: Monotonic | undefined;
    }
  /** The {@link Ready.store} handed out last is durable. */
  | { readonly kind: 'stored' }
  /** The disk did not take it; the core asks for no write until `storage-cured`. */
  | { readonly kind: 'store-refused' }
  | { readonly kind: 'storage-cured' }
  /** A durable snapshot covers the entries up to here and they may leave memory. */
  | { readonly kind: 'compacted'; readonly upTo: LogIndex }
  /** The {@link Ready.install} is durable and the state machine holds it. */
  | { readonly kind: 'installed' }
  | { readonly kind: 'install-failed' }
  /** A snapshot message could not be delivered. */
  | { readonly kind: 'snapshot-lost'; readonly to: VoterId };

/** What became of a `proposed` or `membership-proposed` event. */
export type Proposed =
  | { readonly kind: 'appended'; readonly first: LogIndex; readonly term: Term }
  /** `transferring`: leadership is being handed over. */
  | { readonly kind: 'refused'; readonly reason: 'not-leader' | 'storage' | 'transferring' }
  /** The change must not be made, or not now; one sentence for people. */
  | {
      readonly kind: 'unfit';
      readonly code: 'busy' | 'refused';
      readonly message: string;
    };

export type ReadOutcome =
  /** A state that has applied `index` may answer the read. */
  | { readonly kind: 'confirmed'; readonly token: number; readonly index: LogIndex }
  | { readonly kind: 'failed'; readonly token: number };

/** What the driver must do before the next event. See the numbered duties in README.md. */
export interface Ready {
  /** Write it, then report `stored` or `store-refused`. None is handed out while one is under way. */
  readonly store: StoreWork | undefined;
  /** May be sent at once: what had to wait for the disk was held back inside. */
  readonly send: readonly Envelope[];
  /** Committed entries, in order, each once. */
  readonly apply: readonly Entry[];
  readonly reads: readonly ReadOutcome[];
  readonly proposed: Proposed | undefined;
  /** Entries from here on left the log because the disk refused them. */
  readonly droppedFrom: LogIndex | undefined;
  /** Save this snapshot, restore it, then report `installed` or `install-failed`. */
  readonly install: SnapshotMeta | undefined;
}
