import { performance } from 'node:perf_hooks';
import { VoterProcesses } from '../failover/voters.ts';
import { Followers } from './followers.ts';
import { versionsAt, writeValues } from './shoal-side.ts';

const voterCount = 3;
const followerCount = 8;
const proposers = 100;
const durationMs = 3_000;

export interface FanOut {
  readonly voters: number;
  readonly followers: number;
  readonly proposers: number;
  /** Acknowledged to the proposers while the followers are attached. */
  readonly commitsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Commits per second from the first write to the moment when every follower has the last one. */
  readonly deliveredPerSecond: number;
  /** From the last acknowledgement until every follower has everything. */
  readonly behindMs: number;
  /** Entries, each with all commits of a moment, and their bytes, to all followers together. */
  readonly entriesPerSecond: number;
  readonly megabytesPerSecond: number;
}

/** All followers are attached to the leader, which has the most to do. The best of `rounds` counts. */
export async function measureFanOut(rounds: number): Promise<FanOut> {
  const voters = await VoterProcesses.start(voterCount);
  try {
    const runs: FanOut[] = [];
    for (let round = 0; round < rounds; round += 1) runs.push(await oneRun(voters));
    return runs.reduce((a, b) => (b.deliveredPerSecond > a.deliveredPerSecond ? b : a));
  } finally {
    await voters.stop();
  }
}

async function oneRun(voters: VoterProcesses): Promise<FanOut> {
  const leader = await voters.settled();
  const { options } = leader;
  const followers = new Followers({
    addr: options.listen,
    tls: options.tls,
    count: followerCount,
  });
  try {
    const versions = await versionsAt(leader, proposers);
    await followers.reached(Math.max(1, ...versions));
    const begin = performance.now();
    const { rate, commits, last } = await writeValues(leader, versions, durationMs);
    const acknowledged = performance.now();
    const { entries, bytes } = await followers.reached(last);
    const end = performance.now();
    const seconds = (end - begin) / 1000;
    return {
      voters: voterCount,
      followers: followerCount,
      proposers,
      commitsPerSecond: rate.perSecond,
      p50Ms: rate.p50Ms,
      p99Ms: rate.p99Ms,
      deliveredPerSecond: commits / seconds,
      behindMs: end - acknowledged,
      entriesPerSecond: entries / seconds,
      megabytesPerSecond: bytes / 1e6 / seconds,
    };
  } finally {
    followers.stop();
  }
}
