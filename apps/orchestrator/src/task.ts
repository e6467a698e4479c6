import { createHash } from 'node:crypto';
import { type Instant, type LogIndex, newId } from '@shoal/runtime';
import { needsAllocation, type Revision, type Task, type TaskState } from '@shoal/state';

/** Where a task of a service belongs: a slot number, or a node for global services. */
export interface Place {
  readonly slot: number;
  /** Empty for replicated services: the scheduler chooses. */
  readonly nodeId: string;
}

/**
 * An id that follows from `seed`, in the form of {@link newId}. The same decision taken twice, because
 * the fate of its first proposal is unknown, names the same task, and the second is refused.
 */
export function taskId(seed: string): string {
  const digest = createHash('sha256').update(seed).digest();
  return newId({ next: () => 0, bytes: (count) => digest.subarray(0, count) });
}

/** It waits for the allocator if it needs anything of it, and else for the scheduler at once. */
export function newTask(
  revision: Revision,
  place: Place,
  desired: TaskState,
  seed: string,
  now: Instant,
): Task {
  return {
    id: taskId(seed),
    meta: { version: 0 as LogIndex, createdAt: now, updatedAt: now },
    serviceId: revision.serviceId,
    slot: place.slot,
    nodeId: place.nodeId,
    revision: revision.number,
    desired,
    status: needsAllocation(revision)
      ? { state: 'new', at: now, message: 'created', err: '' }
      : { state: 'pending', at: now, message: 'pending task scheduling', err: '' },
  };
}
