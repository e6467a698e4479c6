import type { EndpointRecord } from './endpoint-record.ts';
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
  /** The overlay networks it joins, in the order of its spec, the ingress network last; absent without any. */
  readonly networks?: readonly TaskNetwork[] | undefined;
  /** The service is scaled by what its tasks use: the agent tells it with their statuses. */
  readonly measured?: boolean | undefined;
  /** Base64url of Docker's AuthConfig, for pulling; absent when the user gave none. */
  readonly registryAuth?: string | undefined;
}

/** What a task is in one of its networks; part of its assignment. */
export interface TaskNetwork {
  readonly networkId: string;
  /** The task's addresses with prefix length, at most one of each family. */
  readonly addresses: readonly string[];
  readonly driverOptions: Readonly<Record<string, string>>;
  /** Everything others must know, with `serving` false; the agent decides when it serves. */
  readonly record: EndpointRecord;
}

/** Swarm's display and container name: `<service>.<slot>.<task id>`, the node id where there is no slot. */
export function taskName(
  task: { readonly slot: number; readonly nodeId: string; readonly id: string },
  serviceName: string,
): string {
  return `${serviceName}.${task.slot === 0 ? task.nodeId : task.slot}.${task.id}`;
}
