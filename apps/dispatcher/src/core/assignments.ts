import { taskNetworks } from '@shoal/overlay';
import {
  autoscaleOf,
  currentOf,
  isBefore,
  isTerminal,
  type Revision,
  type Service,
  type StateView,
  type Task,
  type TaskAssignment,
  type TaskState,
  type TaskTemplate,
} from '@shoal/state';

/** Opens the registry credentials of a revision; undefined when there are none or they cannot be opened. */
export type OpenRegistryAuth = (revision: Revision) => string | undefined;

/** What changed for one node since the last message. */
export interface AssignmentDifference {
  readonly assignments: readonly TaskAssignment[];
  /** Ids of tasks that are no longer in the state or no longer this node's. */
  readonly removed: readonly string[];
}

/**
 * A node has every task that was placed on it, until the task is deleted from the state: the node keeps
 * the container of a finished task, with its logs, for just as long.
 */
function isForNode(task: Task, nodeId: string): boolean {
  return task.nodeId === nodeId && !isBefore(task.status.state, 'assigned');
}

/** A task that has stopped for good is never to run again, whatever it was once meant to do. */
function desiredOf(task: Task): TaskState {
  return isTerminal(task.status.state) && isBefore(task.desired, 'shutdown')
    ? 'shutdown'
    : task.desired;
}

/** Undefined when the task's revision is gone, which the state machine rules out while the task is there. */
export function assignmentOf(
  view: StateView,
  task: Task,
  openRegistryAuth: OpenRegistryAuth,
): TaskAssignment | undefined {
  const revision = view.revisions.of(task.serviceId, task.revision);
  if (revision === undefined) return undefined;
  const { spec } = revision;
  const desired = desiredOf(task);
  const runs = isBefore(desired, 'shutdown');
  const networks = taskNetworks(view, task);
  return {
    taskId: task.id,
    serviceId: task.serviceId,
    serviceName: spec.Name,
    serviceLabels: spec.Labels,
    slot: task.slot,
    nodeId: task.nodeId,
    desired,
    template: withLogDriver(view, spec.TaskTemplate),
    genericResources: task.genericResources,
    hostPorts: (spec.EndpointSpec?.Ports ?? []).filter((port) => port.PublishMode === 'host'),
    localNetworks: localNetworks(view, revision),
    ...(networks.length === 0 ? {} : { networks }),
    ...(runs && isMeasured(view, task) ? { measured: true } : {}),
    // Who only stops needs no credentials.
    registryAuth: runs ? openRegistryAuth(revision) : undefined,
  };
}

/** A template that names no log driver gets that of the cluster, as in Swarm. */
function withLogDriver({ cluster }: StateView, template: TaskTemplate): TaskTemplate {
  const usual = cluster?.spec.TaskDefaults.LogDriver;
  if (template.LogDriver !== undefined || usual === undefined) return template;
  return { ...template, LogDriver: { Name: usual.Name ?? '', Options: usual.Options } };
}

/** By what the service says now, whatever the task was made of. */
function isMeasured(view: StateView, { serviceId }: Task): boolean {
  const service = view.services.get(serviceId);
  return service !== undefined && isScaledByLoad(view, service);
}

/** Whether agents are to tell what the tasks of the service use. */
export function isScaledByLoad(view: StateView, service: Service): boolean {
  const current = currentOf(view, service);
  return current !== undefined && autoscaleOf(current.spec) !== undefined;
}

function localNetworks(view: StateView, revision: Revision): readonly string[] {
  const names: string[] = [];
  for (const { Target } of revision.spec.TaskTemplate.Networks ?? []) {
    const network = view.networks.get(Target);
    if (network?.spec.Predefined) names.push(network.spec.Name);
  }
  return names;
}

interface Sent {
  readonly desired: TaskState;
  /** As JSON; empty without networks. */
  readonly networks: string;
  readonly measured: boolean;
}

/** What a node was told, and what it must be told next. */
export class AssignmentSet {
  readonly #nodeId: string;
  /** What may change of an assignment, as last sent, by task. */
  readonly #sent = new Map<string, Sent>();
  #dirty = new Set<string>();

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** The task may have to be sent again. */
  touch(taskId: string): void {
    this.#dirty.add(taskId);
  }

  /** Everything the node must have; what it had before no longer matters. */
  complete(view: StateView, openRegistryAuth: OpenRegistryAuth): AssignmentDifference {
    this.#sent.clear();
    this.#dirty = new Set(Array.from(view.tasks.byNode(this.#nodeId), (task) => task.id));
    return this.difference(view, openRegistryAuth);
  }

  difference(view: StateView, openRegistryAuth: OpenRegistryAuth): AssignmentDifference {
    const assignments: TaskAssignment[] = [];
    const removed: string[] = [];
    for (const id of this.#dirty) {
      const task = view.tasks.get(id);
      if (task === undefined || !isForNode(task, this.#nodeId)) {
        if (this.#sent.delete(id)) removed.push(id);
        continue;
      }
      const desired = desiredOf(task);
      const networks = task.networks === undefined ? '' : JSON.stringify(taskNetworks(view, task));
      const sent = this.#sent.get(id);
      const measured = isMeasured(view, task);
      if (sent?.desired === desired && sent.networks === networks && sent.measured === measured)
        continue;
      const assignment = assignmentOf(view, task, openRegistryAuth);
      if (assignment === undefined) continue;
      this.#sent.set(id, { desired, networks, measured });
      assignments.push(assignment);
    }
    this.#dirty.clear();
    return { assignments, removed };
  }
}
