import { type Clock, errorMessage, type Logger, type Timer } from '@shoal/runtime';
import {
  isTerminal,
  type NodeDescription,
  type TaskAssignment,
  type TaskStatus,
} from '@shoal/state';
import {
  type ContainerEvent,
  containerStatus,
  type Engine,
  type EngineResult,
  type ListedContainer,
  type TaskContainer,
} from '../executor/engine.ts';
import type { TaskFiles } from '../files/task-files.ts';
import type { FetchImage } from '../images/image-fetcher.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { TaskNetworking } from '../network/task-networking.ts';
import type { Measured } from '../usage/load-meter.ts';
import { stateFromContainer } from './attempt.ts';
import { removeContainer } from './container-removal.ts';
import { ImagePulls } from './image-pulls.ts';
import { ownContainers } from './own-containers.ts';
import type { StatusStore } from './status-store.ts';
import { TaskRunner } from './task-runner.ts';

/** Pause before the engine is looked for again, milliseconds: doubled each time up to the longest. */
const reconnectMs = { first: 50, most: 2_000 } as const;
/** How often an engine that says nothing is asked what it has, milliseconds. */
const lookEveryMs = 10_000;
/** An engine that takes longer to say what it has hangs, and is as good as away; milliseconds. */
const answerMsMax = 60_000;
/** Pause before containers that could not be removed are looked for again, milliseconds: doubled likewise. */
const listAgainMs = { first: 1_000, most: 60_000 } as const;

/** `mayWait`: more follows soon, of this task or of others, and can be told together with it. */
export type StatusListener = (taskId: string, status: TaskStatus, mayWait: boolean) => void;

export interface WorkerOptions {
  readonly nodeId: string;
  readonly engine: Engine;
  readonly store: Pick<StatusStore, 'belongTo' | 'get' | 'put' | 'delete' | 'taskIds' | 'durable'>;
  readonly networking: TaskNetworking;
  readonly files: TaskFiles;
  /** Absent: images come from registries alone. */
  readonly fetch?: FetchImage | undefined;
  readonly node: () => NodeDescription;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AgentMetrics;
  readonly onStatus: StatusListener;
  /** The engine was lost, or is seen again. */
  readonly onEngine?: ((isSeen: boolean) => void) | undefined;
}

/**
 * The tasks of this node: one runner each. Assignments say what should be here, the engine's list says
 * what is; whatever belongs to this node and to no assigned task is taken away.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #pulls: ImagePulls;
  readonly #assigned = new Map<string, TaskAssignment>();
  readonly #runners = new Map<string, TaskRunner>();
  /** Tasks whose container is being taken away. */
  readonly #removing = new Map<string, Promise<void>>();
  /** Tasks whose removal came to nothing: what is left of them is for the next look at the engine to say. */
  readonly #left = new Set<string>();
  /** Containers found by the last look at the engine, by task; undefined until the first. */
  #found: Map<string, TaskContainer[]> | undefined;
  /** Whether all assignments are known, so that what is not assigned is to go. */
  #complete = false;
  readonly #end = new AbortController();
  #retry: Timer | undefined;
  #retries = 0;
  #listing: Timer | undefined;
  #pulse: Timer | undefined;
  /** Removals, and looks for what they left, in a row that came to nothing. */
  #failedRemovals = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#pulls = new ImagePulls(options.engine, options.fetch);
    options.store.belongTo(options.nodeId);
    options.metrics.tasks(() => [...this.#runners.values()].map(({ status }) => status.state));
    void this.#look();
  }

  /** True while the engine can be seen. */
  get engineSeen(): boolean {
    return this.#found !== undefined && this.#retries === 0;
  }

  get statuses(): ReadonlyMap<string, TaskStatus> {
    return new Map([...this.#runners].map(([id, runner]) => [id, runner.status]));
  }

  /** Whether it is known which tasks and containers the node has. */
  get settled(): boolean {
    return this.#complete && this.#found !== undefined;
  }

  /** Running containers of tasks whose load somebody goes by. */
  get measured(): readonly Measured[] {
    return [...this.#runners].flatMap(([taskId, { status }]) => {
      const containerId = status.container?.id;
      const isMeasured = this.#assigned.get(taskId)?.measured === true;
      return isMeasured && status.state === 'running' && containerId !== undefined
        ? [{ taskId, containerId }]
        : [];
    });
  }

  container(taskId: string): string | undefined {
    return this.#runners.get(taskId)?.containerName;
  }

  /** Whether the container is the task's, perhaps renamed. */
  owns(taskId: string, container: { readonly id: string; readonly name: string }): boolean {
    const runner = this.#runners.get(taskId);
    if (runner === undefined) return false;
    return container.name === runner.containerName || container.id === runner.status.container?.id;
  }

  /**
   * Everything this node has to have; whatever else there is must go. It may come from a log that lost
   * what was acknowledged before: all statuses are told again.
   */
  assignAll(assignments: readonly TaskAssignment[]): void {
    this.#assigned.clear();
    for (const assignment of assignments) this.#assigned.set(assignment.taskId, assignment);
    this.#complete = true;
    this.#options.networking.assigned(assignments);
    void this.#keepFiles();
    for (const [taskId, runner] of this.#runners) {
      const status = this.#assigned.has(taskId) ? this.#options.store.get(taskId) : undefined;
      if (status !== undefined) this.#options.onStatus(taskId, status, runner.isPassing);
    }
    this.#reconcile();
    void this.#list();
  }

  assign(assignments: readonly TaskAssignment[], removed: readonly string[]): void {
    for (const assignment of assignments) this.#assigned.set(assignment.taskId, assignment);
    for (const taskId of removed) this.#assigned.delete(taskId);
    this.#options.networking.assigned(assignments);
    this.#reconcile();
  }

  /** Lets go of everything; containers run on. */
  async stop(): Promise<void> {
    this.#end.abort();
    this.#retry?.cancel();
    this.#listing?.cancel();
    this.#pulse?.cancel();
    this.#pulls.stop();
    await Promise.all([...this.#runners.values()].map((runner) => runner.release()));
    await this.#options.store.durable().catch(() => undefined);
    this.#options.metrics.tasks(() => []);
  }

  #reconcile(): void {
    const found = this.#found;
    if (found === undefined || this.#end.signal.aborted) return;
    for (const [taskId, assignment] of this.#assigned) {
      const runner = this.#runners.get(taskId);
      if (runner !== undefined) runner.update(assignment);
      else if (!this.#removing.has(taskId)) this.#begin(assignment, found.get(taskId)?.[0]);
    }
    for (const [taskId, runner] of this.#runners) {
      if (!this.#assigned.has(taskId)) this.#remove(taskId, runner);
    }
    if (this.#complete) this.#removeStrays(found);
  }

  #begin(assignment: TaskAssignment, container: TaskContainer | undefined): void {
    const { engine, store, networking, files, node, clock, logger } = this.#options;
    const { taskId } = assignment;
    const kept = store.get(taskId);
    const status: TaskStatus = kept ?? {
      state: container === undefined ? 'assigned' : stateFromContainer(container),
      at: clock.now(),
      message: container === undefined ? 'assigned' : 'started',
      err: '',
      ...(container === undefined ? {} : { container: containerStatus(container) }),
    };
    const runner = new TaskRunner({
      assignment,
      status,
      engine,
      networking,
      files,
      node,
      pull: (...pull) => this.#pulls.pull(...pull),
      clock,
      logger,
      onStatus: (id, next, isPassing) => this.#moved(id, next, isPassing),
      durable: () => store.durable(),
    });
    this.#runners.set(taskId, runner);
    if (container?.state === 'running') runner.seenRunning();
    if (kept !== undefined) this.#options.onStatus(taskId, kept, false);
    else if (container !== undefined) this.#moved(taskId, status, false);
  }

  #moved(taskId: string, status: TaskStatus, isPassing: boolean): void {
    const before = this.#options.store.get(taskId);
    this.#options.store.put(taskId, status);
    const mayWait = isPassing || (status.state === 'running' && this.#othersPass(taskId));
    this.#options.onStatus(taskId, status, mayWait);
    if (before?.state === status.state) return;
    const { state, err } = status;
    // Five lines a task are too many for who reads them, and for the time they take.
    this.#options.logger[isPassing ? 'debug' : 'info']({ task: taskId, state, err }, 'task_moved');
  }

  #othersPass(taskId: string): boolean {
    for (const [id, runner] of this.#runners) if (id !== taskId && runner.isPassing) return true;
    return false;
  }

  #remove(taskId: string, runner: TaskRunner): void {
    this.#runners.delete(taskId);
    const work = runner.remove().then(async (gone) => {
      if (gone) this.#options.metrics.containerRemoved('deleted');
      await this.#removed(taskId, gone);
    });
    this.#removing.set(taskId, work);
  }

  #removeStrays(found: Map<string, TaskContainer[]>): void {
    for (const taskId of new Set([...found.keys(), ...this.#options.store.taskIds])) {
      if (this.#isKnown(taskId)) continue;
      this.#removing.set(taskId, this.#removeStray(taskId, found.get(taskId) ?? []));
    }
  }

  #isKnown(taskId: string): boolean {
    return [this.#assigned, this.#removing, this.#left].some((tasks) => tasks.has(taskId));
  }

  async #removeStray(taskId: string, containers: readonly TaskContainer[]): Promise<void> {
    const { engine, networking, logger, metrics } = this.#options;
    const running = containers.find(({ state }) => state === 'running');
    if (running !== undefined) await networking.drain(taskId, running.pid);
    networking.gone(taskId);
    let allGone = true;
    for (const { id, state } of containers) {
      logger.info({ task: taskId, container: id }, 'unassigned_container_removed');
      const removal = await removeContainer(engine, id, state !== 'running');
      if (removal === 'gone') metrics.containerRemoved('unassigned');
      else allGone = false;
    }
    await this.#removed(taskId, allGone);
  }

  /** With the last container of a task goes what it was given; a task of which anything is left is not forgotten. */
  async #removed(taskId: string, gone: boolean): Promise<void> {
    const { logger, store } = this.#options;
    if (!gone) logger.warn({ task: taskId }, 'container_not_removed');
    const allGone = gone && (await this.#removeFiles(taskId));
    this.#removing.delete(taskId);
    this.#found?.delete(taskId);
    if (allGone) {
      store.delete(taskId);
      this.#failedRemovals = 0;
    } else {
      this.#left.add(taskId);
      this.#listLater();
    }
    // Assigned again meanwhile.
    this.#reconcile();
  }

  async #removeFiles(taskId: string): Promise<boolean> {
    const { files, logger } = this.#options;
    try {
      await files.remove(taskId);
      return true;
    } catch (error) {
      logger.warn({ task: taskId, reason: errorMessage(error) }, 'files_not_removed');
      return false;
    }
  }

  /** Tasks that come while the folder is read count too. */
  async #keepFiles(): Promise<void> {
    const { files, logger } = this.#options;
    try {
      await files.keepOnly({ has: (taskId) => this.#isKnown(taskId) });
    } catch (error) {
      logger.warn({ reason: errorMessage(error) }, 'files_not_removed');
    }
  }

  #listLater(): void {
    if (this.#listing !== undefined || this.#end.signal.aborted) return;
    const delayMs = pauseMs(listAgainMs, this.#failedRemovals);
    this.#failedRemovals += 1;
    this.#listing = this.#options.clock.after(delayMs, () => {
      this.#listing = undefined;
      void this.#list();
    });
  }

  /** What the engine has and should not have; while it is out of sight that waits for the next look. */
  async #list(): Promise<void> {
    if (!this.engineSeen) return;
    const listed = await this.#options.engine.list(this.#options.nodeId);
    if (listed.kind === 'failed') return this.#listLater();
    this.#find(listed.value);
    this.#reconcile();
  }

  #find(listed: readonly ListedContainer[]): Map<string, TaskContainer[]> {
    const own = ownContainers(listed, this.#options.store);
    this.#found = Map.groupBy(own, ({ taskId }) => taskId);
    this.#left.clear();
    return this.#found;
  }

  /** First listens to what happens from now on, then looks at what there is: nothing falls between. */
  async #look(): Promise<void> {
    const { engine, nodeId } = this.#options;
    const stream = new AbortController();
    const stop = (): void => stream.abort();
    this.#end.signal.addEventListener('abort', stop);
    let over = false;
    const again = (reason: string): void => {
      if (over || this.#end.signal.aborted) return;
      over = true;
      this.#end.signal.removeEventListener('abort', stop);
      stream.abort();
      this.#lookAgain(reason);
    };
    const watching = engine.watch(
      nodeId,
      stream.signal,
      (taskId, event) => this.#happened(taskId, event),
      () => again('the event stream ended'),
    );
    const watched = await this.#inTime(watching);
    if (watched.kind === 'failed') return again(watched.failure.message);
    const listed = await this.#inTime(engine.list(nodeId));
    if (listed.kind === 'failed') return again(listed.failure.message);
    if (over || this.#end.signal.aborted) return;
    this.#lookLater(stream.signal, again);
    const wasLost = this.#retries > 0;
    this.#retries = 0;
    this.#seen(listed.value);
    if (!wasLost) return;
    this.#options.logger.info({}, 'engine_seen');
    this.#options.onEngine?.(true);
  }

  /** A stream that says nothing may be that of an engine that hangs. */
  #lookLater(stream: AbortSignal, lost: (reason: string) => void): void {
    const { engine, nodeId, clock } = this.#options;
    this.#pulse = clock.after(lookEveryMs, async () => {
      const listed = await this.#inTime(engine.list(nodeId));
      if (stream.aborted) return;
      if (listed.kind === 'failed') lost(listed.failure.message);
      else this.#lookLater(stream, lost);
    });
  }

  /** The engine's answer, or that it has not come for too long. */
  async #inTime<T>(answer: Promise<EngineResult<T>>): Promise<EngineResult<T>> {
    const { clock } = this.#options;
    const late = Promise.withResolvers<EngineResult<T>>();
    const message = `the engine has not answered for ${answerMsMax / 1_000} seconds`;
    const timer = clock.after(answerMsMax, () =>
      late.resolve({ kind: 'failed', failure: { kind: 'unreachable', message } }),
    );
    const answered = await Promise.race([answer, late.promise]);
    timer.cancel();
    return answered;
  }

  #lookAgain(reason: string): void {
    this.#pulse?.cancel();
    const delayMs = pauseMs(reconnectMs, this.#retries);
    if (this.#retries === 0) this.#options.onEngine?.(false);
    this.#retries += 1;
    this.#options.logger.warn({ reason, delayMs }, 'engine_lost');
    this.#retry = this.#options.clock.after(delayMs, () => void this.#look());
  }

  /** What happened unseen may be more than a list shows: that a container is unhealthy it does not say. */
  #seen(listed: readonly ListedContainer[]): void {
    const running = [...this.#find(listed)].filter(([, containers]) =>
      containers.some(({ state }) => state === 'running'),
    );
    const runs = new Set(running.map(([taskId]) => taskId));
    this.#options.networking.found(runs);
    for (const [taskId, runner] of this.#runners) {
      if (!isTerminal(runner.status.state)) runner.recheck();
      else if (runs.has(taskId)) runner.seenRunning();
    }
    this.#reconcile();
  }

  #happened(taskId: string, event: ContainerEvent): void {
    this.#runners.get(taskId)?.noticed(event);
  }
}

/** The pause after so many that were in vain. */
function pauseMs(
  { first, most }: { readonly first: number; readonly most: number },
  times: number,
): number {
  return Math.min(first * 2 ** Math.min(times, 10), most);
}

/** What is left of the containers of a node. */
export type Left =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'unknown' }
  /** The engine refuses to remove these. */
  | { readonly kind: 'refused'; readonly containers: readonly string[] };

/** Stops and removes every container of tasks of the node, and the files they were given: it has left the swarm. */
export async function removeAll(
  engine: Engine,
  files: TaskFiles,
  nodeId: string,
  metrics: AgentMetrics,
  statuses: Pick<StatusStore, 'get'>,
): Promise<Left> {
  const listed = await engine.list(nodeId);
  if (listed.kind === 'failed') return { kind: 'unknown' };
  const removals = ownContainers(listed.value, statuses).map(async ({ id, state }) => {
    const removal = await removeContainer(engine, id, state !== 'running');
    if (removal === 'gone') metrics.containerRemoved('left');
    return { id, removal };
  });
  const removed = await Promise.all(removals);
  if (removed.some(({ removal }) => removal === 'unreachable')) return { kind: 'unknown' };
  const containers = removed.filter(({ removal }) => removal === 'refused').map(({ id }) => id);
  if (containers.length > 0) return { kind: 'refused', containers };
  await files.keepOnly(new Set());
  return { kind: 'nothing' };
}
