/**
 * The task state machine of Swarm: observed states only move to a larger number.
 * The numbers are Swarm's own; the gaps are for future states.
 */
export const taskStateRank = {
  new: 0,
  pending: 64,
  assigned: 192,
  accepted: 256,
  preparing: 320,
  ready: 384,
  starting: 448,
  running: 512,
  complete: 576,
  shutdown: 640,
  failed: 704,
  rejected: 768,
  remove: 800,
  orphaned: 832,
} as const;

export type TaskState = keyof typeof taskStateRank;

/** True when `a` comes before `b` in the life of a task; never for a state that only a newer program knows. */
export function isBefore(a: TaskState, b: TaskState): boolean {
  return taskStateRank[a] < taskStateRank[b];
}

/** A task in a terminal state has stopped for good: nothing runs, nothing is reserved. */
export function isTerminal(state: TaskState): boolean {
  return taskStateRank[state] > taskStateRank.running;
}

/** Swarm's words for a task that was rejected because its node no longer suits it. */
export const enforcedErr = 'assigned node no longer meets constraints';

/** From PENDING to RUNNING a task holds what it reserves (Swarm: "consumes resources"). */
export function holdsReservation(state: TaskState): boolean {
  return taskStateRank[state] >= taskStateRank.pending && !isTerminal(state);
}
