import type { ContainerStatus, NodeDescription, PortConfig, TaskAssignment } from '@shoal/state';
import type { LogBatch, LogRequest } from '../logs/records.ts';

/** An engine call that did not work. */
export interface EngineFailure {
  readonly kind: /** The engine cannot be reached or is on its way down: the same call may work later. */
    | 'unreachable'
    | 'not-found'
    | 'conflict'
    /** The engine said no, for good. */
    | 'refused';
  /** The engine's own words. */
  readonly message: string;
}

export type EngineResult<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'failed'; readonly failure: EngineFailure };

/** A container of a task as the engine has it. */
export interface TaskContainer {
  readonly id: string;
  readonly taskId: string;
  readonly state: 'created' | 'running' | 'exited';
  readonly pid: number;
  readonly exitCode: number;
  /** `none` where there is no health check. */
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** Ports published on the node. */
  readonly ports: readonly PortConfig[];
  /** What the engine said when it could not start it. */
  readonly error: string;
}

/** As a list shows it: `state` is right, other details are not filled in. */
export interface ListedContainer extends TaskContainer {
  /**
   * Whether its name is that of the task its labels speak of. Labels come with images too: who runs one that
   * was committed from a task's container has a container with the same labels.
   */
  readonly hasTaskName: boolean;
}

/** What happened to the container of a task. */
export type ContainerEvent =
  | { readonly kind: 'died'; readonly containerId: string; readonly exitCode: number }
  | {
      readonly kind: 'started' | 'healthy' | 'unhealthy' | 'removed';
      readonly containerId: string;
    };

/** What an agent needs of a container engine. */
export interface Engine {
  /** The host as the engine describes it, without trust root. */
  describe(): Promise<EngineResult<NodeDescription>>;
  create(
    assignment: TaskAssignment,
    node: NodeDescription,
  ): Promise<EngineResult<{ readonly id: string }>>;
  /** Fetches the image; `progress` is told in a few words, as often as there is news. */
  pull(
    image: string,
    registryAuth: string | undefined,
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<EngineResult<undefined>>;
  start(containerId: string): Promise<EngineResult<undefined>>;
  /** By id or name. */
  inspect(container: string): Promise<EngineResult<TaskContainer>>;
  /** Without `graceSeconds` the container gets the time it was created with. */
  stop(container: string, graceSeconds?: number): Promise<EngineResult<undefined>>;
  /** With its anonymous volumes, by force. */
  remove(container: string): Promise<EngineResult<undefined>>;
  /** All containers with labels of tasks of the node, running or not. */
  list(nodeId: string): Promise<EngineResult<readonly ListedContainer[]>>;
  /**
   * Tells what happens to the node's containers from now on, until `signal` or the stream ends.
   * Resolves when the engine has begun to tell; `ended` is called when it no longer does.
   */
  watch(
    nodeId: string,
    signal: AbortSignal,
    listener: (taskId: string, event: ContainerEvent) => void,
    ended: () => void,
  ): Promise<EngineResult<undefined>>;
  /** Lines as they are at hand; fails while they are read when the engine goes away or cannot go on. */
  logs(
    container: string,
    request: LogRequest,
    signal: AbortSignal,
  ): Promise<EngineResult<AsyncIterable<LogBatch>>>;
}

export function containerStatus(container: TaskContainer): ContainerStatus {
  return { id: container.id, pid: container.pid, exitCode: container.exitCode };
}
