import type { Rate } from './closed-loop.ts';

export const valueBytes = 256;
export const voterCounts = [1, 3] as const;
export const proposerCounts = [1, 100, 1_000] as const;
/** Ours over etcd's, at every point. */
export const ratioMin = 1.5;

/** One point of the comparison. */
export interface Row {
  readonly voters: number;
  readonly proposers: number;
  readonly commitsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly etcdPerSecond: number;
  readonly etcdP50Ms: number;
  readonly etcdP99Ms: number;
  readonly ratio: number;
}

/** The best run of each side, where the machine disturbed it least. */
export function rowOf(
  voters: number,
  proposers: number,
  shoal: readonly Rate[],
  etcd: readonly Rate[],
): Row {
  const ours = best(shoal);
  const theirs = best(etcd);
  return {
    voters,
    proposers,
    commitsPerSecond: ours.perSecond,
    p50Ms: ours.p50Ms,
    p99Ms: ours.p99Ms,
    etcdPerSecond: theirs.perSecond,
    etcdP50Ms: theirs.p50Ms,
    etcdP99Ms: theirs.p99Ms,
    ratio: ours.perSecond / theirs.perSecond,
  };
}

function best(rates: readonly Rate[]): Rate {
  const [first, ...others] = rates;
  if (first === undefined) throw new Error('nothing was measured');
  return others.reduce((one, other) => (other.perSecond > one.perSecond ? other : one), first);
}
