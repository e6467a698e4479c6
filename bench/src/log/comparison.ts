import { VoterProcesses } from '../failover/voters.ts';
import type { Rate } from './closed-loop.ts';
import { EtcdProcesses } from './etcd-processes.ts';
import { etcdRate } from './etcd-side.ts';
import { proposerCounts, type Row, rowOf, voterCounts } from './points.ts';
import { shoalRate } from './shoal-side.ts';

const durationMs = 3_000;

/** Both sides in turns, point by point, with as many voters as members. */
export async function compareWithEtcd(rounds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const count of voterCounts) {
    const voters = await VoterProcesses.start(count);
    try {
      const etcd = await EtcdProcesses.start(count);
      try {
        const points: Row[] = [];
        // From the most to the fewest: a voter that has done little yet is not compiled, etcd always is.
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
  for (let round = 0; round < rounds; round += 1) {
    ours.push(await shoalRate(voters, proposers, durationMs));
    theirs.push(await etcdRate(etcd, proposers, durationMs));
  }
  return rowOf(count, proposers, ours, theirs);
}
