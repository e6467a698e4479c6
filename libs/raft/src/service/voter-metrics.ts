import { Counter, Gauge, type Registry } from 'prom-client';
import type { VoterPeer, VoterStatus } from './worker-protocol.ts';
import { writeMsBounds } from './write-times.ts';

/** One metric: its value, or one for each value of its label. */
interface Shown {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly label?: string;
  readonly values: (status: VoterStatus) => readonly (readonly [label: string, value: number])[];
}

const one = (value: number): (readonly [string, number])[] => [['', value]];
const ofPeers =
  (value: (peer: VoterPeer) => number): Shown['values'] =>
  ({ figures }) =>
    figures.peers.map((peer) => [peer.nodeId, value(peer)]);

const gauge = (name: string, help: string, value: (status: VoterStatus) => number): Shown => ({
  name,
  help,
  type: 'gauge',
  values: (status) => one(value(status)),
});
const total = (name: string, help: string, value: (status: VoterStatus) => number): Shown => ({
  ...gauge(`${name}_total`, help, value),
  type: 'counter',
});
const peerGauge = (name: string, help: string, value: (peer: VoterPeer) => number): Shown => ({
  name: `peer_${name}`,
  help,
  type: 'gauge',
  label: 'peer',
  values: ofPeers(value),
});

const shown: readonly Shown[] = [
  gauge('term', 'Term this voter is in.', (status) => status.term),
  gauge('committed_index', 'Newest entry known to be committed.', (status) => status.committed),
  gauge('applied_index', 'Newest entry applied to the state.', (status) => status.applied),
  gauge('last_index', 'Newest entry in the log.', (status) => status.lastIndex),
  gauge('snapshot_index', 'Newest entry in the newest snapshot.', (status) => status.snapshotIndex),
  gauge('followers', 'Processes that follow this voter.', (status) => status.followers),
  gauge('voters', 'Members that count.', (status) => status.voters),
  gauge('voters_active', 'Those the leader hears; 0 if unknown.', (status) => status.active),
  gauge('has_leader', '1 while a leader is known.', (status) => (status.leaderId === 0 ? 0 : 1)),
  gauge('storage_refused', '1 while the disk refuses writes.', (status) =>
    status.storageError === '' ? 0 : 1,
  ),
  {
    name: 'role',
    help: 'Role of this voter: 1 for the present one.',
    type: 'gauge',
    label: 'role',
    values: ({ learner, figures }) => [[learner ? 'learner' : figures.role, 1]],
  },
  total('elections', 'Elections this voter stood in.', ({ figures }) => figures.elections),
  total('elections_won', 'Elections it won.', ({ figures }) => figures.electionsWon),
  total('writes', 'Durable writes.', ({ figures }) => figures.writes),
  total('entries_written', 'Entries in those writes.', ({ figures }) => figures.entriesWritten),
  total(
    'proposals_forwarded',
    'Proposals passed on to the leader.',
    ({ figures }) => figures.proposalsForwarded,
  ),
  gauge('audit_kept', '1 while who changed what is noted.', ({ figures }) =>
    figures.audit.kept ? 1 : 0,
  ),
  total('audit_records', 'Changes noted in the audit.', ({ figures }) => figures.audit.records),
  total(
    'audit_failed_writes',
    'Writes of the audit that the disk refused.',
    ({ figures }) => figures.audit.failures,
  ),
  {
    name: 'write_seconds_bucket',
    help: 'Durable writes that took at most `le` seconds.',
    type: 'counter',
    label: 'le',
    values: ({ figures }) => cumulative(figures.writeTimes.counts),
  },
  {
    name: 'write_seconds_sum',
    help: 'Seconds all durable writes took.',
    type: 'counter',
    values: ({ figures }) => one(figures.writeTimes.sumMs / 1_000),
  },
  peerGauge('connected', '1 while the peer accepts messages.', ({ connected }) =>
    Number(connected),
  ),
  peerGauge(
    'lag_entries',
    'Entries the peer is behind; 0 unless this voter leads.',
    ({ lag }) => lag,
  ),
  peerGauge('waiting_bytes', 'Bytes that wait to be sent.', ({ waitingBytes }) => waitingBytes),
  peerGauge('dropped_messages', 'Messages that found no room.', (peer) => peer.droppedMessages),
];

/**
 * Shows a voter's figures as `shoal_log_…`. `status` is asked once for each collection; `undefined`
 * while this host has no voter: then there are no values, rather than old ones.
 */
export function voterMetrics(
  registry: Registry,
  status: () => Promise<VoterStatus | undefined>,
): void {
  let asking: Promise<VoterStatus | undefined> | undefined;
  const ask = (): Promise<VoterStatus | undefined> => {
    asking ??= status()
      .catch(() => undefined)
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  for (const each of shown) register(each, registry, ask);
}

function register(
  { name, help, type, label, values }: Shown,
  registry: Registry,
  ask: () => Promise<VoterStatus | undefined>,
): void {
  const labelNames = label === undefined ? [] : [label];
  const options = { name: `shoal_log_${name}`, help, labelNames, registers: [registry] };
  const collect = async function (this: Gauge | Counter): Promise<void> {
    const seen = await ask();
    this.reset();
    if (label === undefined) this.remove();
    if (seen === undefined) return;
    for (const [at, value] of values(seen))
      this.inc(label === undefined ? {} : { [label]: at }, value);
  };
  if (type === 'gauge') new Gauge({ ...options, collect });
  else new Counter({ ...options, collect });
}

function cumulative(counts: readonly number[]): (readonly [string, number])[] {
  let sum = 0;
  return counts.map((count, at) => {
    const bound = writeMsBounds[at];
    sum += count;
    return [bound === undefined ? '+Inf' : String(bound / 1_000), sum];
  });
}
