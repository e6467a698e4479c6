import type { LogIndex } from '@shoal/runtime';
import type { ChangeOutcome, TransferOutcome } from '../node/outcomes.ts';
import type { PeerStatus } from '../node/status.ts';
import type { Entry, Membership, MembershipChange, VoterId } from '../types.ts';

/** Why the log did not take a proposal. After `unknown-outcome` it may still be committed later. */
export interface LogFailure {
  readonly kind: 'failed';
  readonly code: 'no-leader' | 'storage' | 'too-large' | 'malformed' | 'busy' | 'unknown-outcome';
  /** One sentence for people. */
  readonly message: string;
}

export type ProposedEntry = { readonly kind: 'committed'; readonly index: LogIndex } | LogFailure;

export type ReadPosition = { readonly kind: 'read'; readonly index: LogIndex } | LogFailure;

/** What the service needs of the log. `RaftNode` is one. */
export interface ServedLog {
  readonly status: { readonly applied: LogIndex; readonly role: string };
  propose(data: Uint8Array): Promise<ProposedEntry>;
  readIndex(): Promise<ReadPosition>;
  /** Applied entries after `index`, at least one if there is one. */
  entriesAfter(
    index: LogIndex,
    bytesMax: number,
  ):
    | { readonly kind: 'entries'; readonly entries: readonly Entry[] }
    | { readonly kind: 'compacted' };
  /** The state as it is now. */
  image(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> };
}

/** What the service needs of the log beyond {@link ServedLog} where there can be several voters. */
export interface MembershipLog {
  readonly membership: Membership;
  readonly status: {
    readonly id: VoterId;
    readonly role: string;
    readonly leader: VoterId | 0;
    readonly committed: LogIndex;
    readonly peers: readonly PeerStatus[];
  };
  changeMembership(change: MembershipChange): Promise<ChangeOutcome>;
  transferLeadership(to?: VoterId): Promise<TransferOutcome>;
  onMembership(listener: (membership: Membership) => void): () => void;
}
