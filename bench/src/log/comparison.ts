import { VoterProcesses } from '../failover/voters.ts';
import type { Rate } from './closed-loop.ts';
import { EtcdProcesses } from './etcd-processes.ts';
import { etcdRate } from './etcd-side.ts';
import { proposerCounts, type Row, rowOf, voterCounts } from './points.ts';
import { shoalRate } from './shoal-side.ts';

const durationMs = 3_000;
/**
 * Load of the same kind that is not counted. A voter that has seen little of it is not compiled yet, and a manager
 * runs for months; compiled code is complete after some ten thousand commits.
 */
const warmUpMs = 10_000;

/** Both sides in turns, point by point, with as many voters as members. */
export async function compareWithEtcd(rounds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const count of voterCounts) {
    const voters = await VoterProcesses.start(count);
    try {
      const etcd = await EtcdProcesses.start(count);
      try {
        const points: Row[] = [];
        // From the most to the fewest, so that the voters are warm where there are few commits to warm up with.
        for (const proposers of proposerCounts.toReversed())
          points.unshift(await measurePoint(voters, etcd, count, proposers, rounds));
        rows.push(...points);
      } finally {
        await etcd.stop();
      }
    } finally {
      await voters.stop();
    }
  }
  return rows;
}

async function measurePoint(
  voters: VoterProcesses,
  etcd: EtcdProcesses,
  count: number,
  proposers: number,
  rounds: number,
): Promise<Row> {
  const [ours, theirs]: [Rate[], Rate[]] = [[], []];
  await shoalRate(voters, proposers, warmUpMs);
  await etcdRate(etcd, proposers, warmUpMs);
  for (let round = 0; round < rounds; round += 1) {
    ours.push(await shoalRate(voters, proposers, durationMs));
    theirs.push(await etcdRate(etcd, proposers, durationMs));
  }
  return rowOf(count, proposers, ours, theirs);
}
