import type { GenericResource, Labels, PortConfig, TaskTemplate } from './spec.ts';
import type { TaskState } from './task-state.ts';

/** Everything an agent needs to run one task; made by the dispatcher from task, service and revision. */
export interface TaskAssignment {
  readonly taskId: string;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly serviceLabels: Labels;
  /** 0 for tasks of global services. */
  readonly slot: number;
  readonly nodeId: string;
  readonly desired: TaskState;
  readonly template: TaskTemplate;
  /** What the task was given of the node's generic resources; absent when it asked for none. */
  readonly genericResources?: readonly GenericResource[] | undefined;
  /** Ports published on the node itself. */
  readonly hostPorts: readonly PortConfig[];
  /** Names (not ids) of node-local networks the container joins: `host`, `bridge`, or none. */
  readonly localNetworks: readonly string[];
  /** Base64url of Docker's AuthConfig, for pulling; absent when the user gave none. */
  readonly registryAuth?: string | undefined;
}

/** Swarm's display and container name: `<service>.<slot>.<task id>`, the node id where there is no slot. */
export function taskName(
  task: { readonly slot: number; readonly nodeId: string; readonly id: string },
  serviceName: string,
): string {
  return `${serviceName}.${task.slot === 0 ? task.nodeId : task.slot}.${task.id}`;
}
