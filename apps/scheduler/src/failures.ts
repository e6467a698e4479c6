import type { Instant } from '@shoal/runtime';
import { revisionId, type Task } from '@shoal/state';

/** How far back failures make a node suspect, milliseconds. Swarm's value. */
export const failureWindowMs = 5 * 60_000;
/** Recent failures of one revision that make a node suspect. Swarm's value. */
export const failuresThatMakeSuspect = 5;
/** Failures of one revision on one node that are remembered. */
const failuresKeptMax = 64;

const none: ReadonlyMap<string, number> = new Map();

/** Global tasks have no other node to go to; the slots of jobs begin at 0. */
function failedOnItsNode({ nodeId, status, slot, jobIteration }: Task): boolean {
  const mayMove = slot !== 0 || jobIteration !== undefined;
  return nodeId !== '' && mayMove && (status.state === 'failed' || status.state === 'rejected');
}

/**
 * Where revisions failed of late. Heard of as it happens, and read from the task history after a
 * restart: that may hold fewer, so a new scheduler may give a bad node another try or two.
 */
export class Failures {
  /** Revision id → node id → when, oldest first. */
  readonly #times = new Map<string, Map<string, Instant[]>>();

  clear(): void {
    this.#times.clear();
  }

  forget(revision: string): void {
    this.#times.delete(revision);
  }

  /** A task changed; counts when this is its failure. */
  note(before: Task | undefined, after: Task | undefined): void {
    if (after === undefined || !failedOnItsNode(after)) return;
    if (before !== undefined && failedOnItsNode(before)) return;
    // By the log's clock, as whoever asks; the node's own may be another one.
    const { nodeId, meta } = after;
    const key = revisionId(after.serviceId, after.revision);
    const nodes = this.#times.get(key) ?? new Map<string, Instant[]>();
    this.#times.set(key, nodes);
    const times = (nodes.get(nodeId) ?? []).filter((at) => at > meta.updatedAt - failureWindowMs);
    nodes.set(nodeId, [...times, meta.updatedAt].slice(-failuresKeptMax));
  }

  /** Node id → recent failures, of the nodes that have enough of them to be suspect. */
  suspects(revision: string, now: Instant): ReadonlyMap<string, number> {
    const nodes = this.#times.get(revision);
    if (nodes === undefined) return none;
    const suspects = new Map<string, number>();
    for (const [nodeId, times] of nodes) {
      const recent = times.filter((at) => at > now - failureWindowMs).length;
      if (recent >= failuresThatMakeSuspect) suspects.set(nodeId, recent);
    }
    return suspects;
  }
}
