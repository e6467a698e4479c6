import { confirmationsMax, probeEveryMs, suspicionFactor, suspicionFactorMax } from './limits.ts';

/**
 * How long a member is suspected before it is given up, milliseconds (Lifeguard, section 4.2): the more
 * hosts suspect it on their own, the less. `confirmations` counts those besides the first.
 */
export function suspicionMs(members: number, confirmations: number): number {
  const shortest = suspicionFactor * Math.max(1, Math.log10(Math.max(1, members))) * probeEveryMs;
  // Too few others to confirm anything: no reason to wait for them.
  const expected = Math.min(confirmationsMax, Math.max(0, members - 2));
  if (expected === 0) return shortest;
  const longest = shortest * suspicionFactorMax;
  const share = Math.log(confirmations + 1) / Math.log(expected + 1);
  return Math.max(shortest, longest - share * (longest - shortest));
}
