import type { NodeDescription, TaskAssignment } from '@shoal/state';

export type Prepared =
  | { readonly kind: 'ok' }
  /** Not yet; the message says what is missing. */
  | { readonly kind: 'waiting'; readonly message: string }
  | { readonly kind: 'impossible'; readonly message: string };

/** What a task's runner needs of the networks, in the order of the task's life. */
export interface TaskNetworking {
  /** The networks of the task are built on this host; waits a little for them. */
  prepare(assignment: TaskAssignment): Promise<Prepared>;
  /** The container is about to be in its networks: others may reach it, nobody is sent to it. */
  joined(assignment: TaskAssignment, containerId: string, node: NodeDescription): void;
  /** The container ran all the time, while the agent did not: nothing is different for others. */
  restored(assignment: TaskAssignment, containerId: string, node: NodeDescription): void;
  /** Healthy: resolves when every host sends to it, or after a bounded wait. */
  serve(taskId: string): Promise<void>;
  /**
   * About to stop: resolves when no host sends to it any more and what was sent is answered, or after
   * bounded waits. `pid`: its first process; absent when that is not known.
   */
  drain(taskId: string, pid?: number): Promise<void>;
  /** The container runs no more. */
  gone(taskId: string): void;
  /** Tasks came, or what is said of their networks changed. */
  assigned(assignments: readonly TaskAssignment[]): void;
  /** Ids of tasks with a container that runs, as the engine was just seen. */
  found(running: ReadonlySet<string>): void;
}

/** A host without overlay networks. */
export const noNetworking: TaskNetworking = {
  prepare: async ({ networks = [] }) =>
    networks.length === 0
      ? { kind: 'ok' }
      : { kind: 'waiting', message: 'this host has no overlay networks' },
  joined: () => undefined,
  restored: () => undefined,
  serve: async () => undefined,
  drain: async () => undefined,
  gone: () => undefined,
  assigned: () => undefined,
  found: () => undefined,
};
