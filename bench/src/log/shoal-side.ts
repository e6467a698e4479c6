import { silentLogger, systemClock, systemRandom } from '@shoal/runtime';
import { RemoteReplica } from '@shoal/stage';
import type { VoterProcesses } from '../failover/voters.ts';
import { closedLoop, type Rate } from './closed-loop.ts';
import { ProposalStream } from './proposal-stream.ts';
import { objectId, WriteTemplate } from './write-template.ts';

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
  const templates = versions.map((_, number) => new WriteTemplate(number));
  const rate = await closedLoop(versions.length, durationMs, async (number) => {
    const write = templates[number]?.write(versions[number] ?? 0);
    if (write === undefined) throw new Error(`there is no proposer ${number}`);
    versions[number] = await stream.propose(write);
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
    return Array.from(
      { length: proposers },
      (_, at) => leases.get(objectId(at))?.meta.version ?? 0,
    );
  } finally {
    replica.stop();
  }
}
