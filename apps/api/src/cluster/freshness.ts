import type { Clock, Monotonic } from '@shoal/runtime';
import type { Replica } from '@shoal/stage';

/** How long a look at the newest state counts as a recent one, milliseconds. */
const recentMs = 500;

const confirmedAt = new WeakMap<Replica, Monotonic>();

/** The log has just answered this replica: there is a leader, and the replica had all that was committed. */
export function noteConfirmed(replica: Replica, clock: Clock): void {
  confirmedAt.set(replica, clock.monotonic());
}

/** Whether the log has answered so recently that its state in memory is good enough to begin with. */
export function isRecent(replica: Replica, clock: Clock): boolean {
  const at = confirmedAt.get(replica);
  return at !== undefined && replica.ready && clock.monotonic() - at < recentMs;
}
