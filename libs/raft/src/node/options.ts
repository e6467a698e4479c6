import { invariant } from '@shoal/runtime';
import type { CoreOptions } from '../core/state.ts';

export interface RaftOptions {
  /** Length of a tick, milliseconds. */
  readonly tickMs: number;
  /** Ticks without a leader before an election; the real timeout is random in [this, 2 × this). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Bound on the entries of one append message, bytes. */
  readonly appendBytesMax: number;
  /** A snapshot is taken every so many entries. */
  readonly snapshotIntervalEntries: number;
  /** A snapshot is also taken when the entries since the last one have so many bytes. */
  readonly snapshotIntervalBytes: number;
  /** Entries before a snapshot that stay in memory for followers that lag. */
  readonly entriesKeptForFollowers: number;
  /** Bound on the bytes of the entries that stay for followers: of large ones, fewer stay. */
  readonly bytesKeptForFollowers: number;
  /** Proposals that may wait for their commit; more are refused as `busy`. */
  readonly pendingProposalsMax: number;
  /** Bytes of the proposals that may wait for their commit; more are refused as `busy`. */
  readonly pendingBytesMax: number;
  /** A larger proposal is refused as `too-large`. Below gRPC's usual 4 MiB, with room for framing. */
  readonly entryBytesMax: number;
  /** See {@link CoreOptions.readLeaseMs}. */
  readonly readLeaseMs?: number | undefined;
  /** Reads that may wait for their confirmation; more are refused as `busy`. */
  readonly pendingReadsMax: number;
  /** Wait before the first try of a disk that refused a write, doubled up to the maximum. Milliseconds. */
  readonly probeMs: number;
  readonly probeMsMax: number;
  /** Wait before a snapshot that failed is tried again, milliseconds. */
  readonly snapshotRetryMs: number;
}

const mebibyte = 1024 * 1024;

export const defaultOptions: RaftOptions = {
  tickMs: 50,
  electionTicks: 10,
  heartbeatTicks: 1,
  appendBytesMax: mebibyte,
  snapshotIntervalEntries: 10_000,
  snapshotIntervalBytes: 64 * mebibyte,
  entriesKeptForFollowers: 5_000,
  bytesKeptForFollowers: 32 * mebibyte,
  pendingProposalsMax: 65_536,
  pendingBytesMax: 64 * mebibyte,
  entryBytesMax: 3 * mebibyte,
  pendingReadsMax: 65_536,
  probeMs: 250,
  probeMsMax: 10_000,
  snapshotRetryMs: 10_000,
};

/** The given options over the defaults, with their relations checked. */
export function completeOptions(given: Partial<RaftOptions> = {}): RaftOptions {
  const options = { ...defaultOptions, ...given };
  invariant(options.electionTicks > options.heartbeatTicks, 'heartbeats outpace elections');
  const electionMs = options.tickMs * options.electionTicks;
  invariant((options.readLeaseMs ?? 0) < electionMs, 'no read lease outlasts an election');
  invariant(options.entryBytesMax <= options.pendingBytesMax, 'the largest entry can be proposed');
  invariant(options.probeMs > 0 && options.probeMs <= options.probeMsMax, 'probes back off');
  invariant(options.snapshotIntervalEntries > 0, 'snapshots are taken now and then');
  return options;
}
