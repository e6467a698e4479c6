import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { RemoteReplica } from '@shoal/stage';
import { encodeTransaction, type Lease, type Meta } from '@shoal/state';
import type { VoterProcesses } from '../failover/voters.ts';
import { closedLoop, type Rate } from './closed-loop.ts';
import { valueBytes } from './points.ts';
import { ProposalStream } from './proposal-stream.ts';

export type Voter = VoterProcesses['members'][number];

export interface ShoalRun {
  readonly rate: Rate;
  /** All of the run, also those before and after the measured time. */
  readonly commits: number;
  /** Place in the log of the newest. */
  readonly last: number;
}

/** Values written at the leader, with the proof that every one that was acknowledged is in the state. */
export async function shoalRate(
  voters: VoterProcesses,
  proposers: number,
  durationMs: number,
): Promise<Rate> {
  const leader = await voters.settled();
  const versions = await versionsAt(leader, proposers);
  const { rate } = await writeValues(leader, versions, durationMs);
  const written = await versionsAt(leader, proposers);
  // A write that was refused would have made all later ones of its proposer refused.
  for (const [number, version] of versions.entries())
    if (written[number] !== version)
      throw new Error(`proposer ${number}: ${written[number]} is written, not ${version}`);
  return rate;
}

/**
 * Each proposer writes values to an object of its own, over one stream of proposals to the leader. The
 * objects' versions are those given, and become those of the last write.
 */
export async function writeValues(
  leader: Voter,
  versions: number[],
  durationMs: number,
): Promise<ShoalRun> {
  const stream = await ProposalStream.open(leader.options.listen, leader.options.tls);
  let commits = 0;
  const rate = await closedLoop(versions.length, durationMs, async (number) => {
    versions[number] = await stream.propose(transactionOf(number, versions[number] ?? 0));
    commits += 1;
  });
  stream.close();
  return { rate, commits, last: Math.max(...versions) };
}

/** Of the proposers' objects, in the state as a follower of this voter gets it; 0 where there is none yet. */
export async function versionsAt({ client }: Voter, proposers: number): Promise<number[]> {
  const replica = new RemoteReplica({
    client: () => client,
    follower: 'bench',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  try {
    const result = await replica.catchUp();
    if (result.kind === 'failed') throw new Error(result.message);
    const { leases } = replica.view;
    return Array.from({ length: proposers }, (_, at) => leases.get(idOf(at))?.meta.version ?? 0);
  } finally {
    replica.stop();
  }
}

function idOf(number: number): string {
  return `bench/${number}`;
}

const value = 'x'.repeat(valueBytes);

function transactionOf(number: number, version: number): Buffer {
  const meta = { version, createdAt: 0, updatedAt: 0 } as Meta;
  const id = idOf(number);
  const object: Lease = { id, meta, stage: 'bench', nodeId: '', address: value };
  const bytes = encodeTransaction({
    id,
    actor: { kind: 'system', name: 'bench' },
    reason: '',
    decidedAt: meta.version,
    changes: [{ op: version === 0 ? 'create' : 'update', table: 'lease', object }],
  });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
