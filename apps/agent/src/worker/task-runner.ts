import type { Clock, Logger } from '@shoal/runtime';
import {
  isBefore,
  isTerminal,
  type NodeDescription,
  type TaskAssignment,
  type TaskState,
  type TaskStatus,
} from '@shoal/state';
import { containerName, graceSeconds } from '../executor/container-config.ts';
import {
  type ContainerEvent,
  containerStatus,
  type Engine,
  type EngineFailure,
  type EngineResult,
  type TaskContainer,
} from '../executor/engine.ts';
import type { TaskFiles } from '../files/task-files.ts';
import type { TaskNetworking } from '../network/task-networking.ts';
import { type Act, type ActEnd, nextMove, passed, settle } from '../task/machine.ts';
import type { PullResult } from './image-pulls.ts';

/** Pause before work that could not be done is tried again, milliseconds. */
const retryMs = 1_000;
const released: EngineFailure = { kind: 'unreachable', message: 'the agent ends' };
const unhealthyReason = 'dockerexec: unhealthy container';

/** `isPassing`: the task is on its way to run, so that another status follows soon. */
export type StatusListener = (taskId: string, status: TaskStatus, isPassing: boolean) => void;

export interface TaskRunnerOptions {
  readonly assignment: TaskAssignment;
  readonly status: TaskStatus;
  readonly engine: Engine;
  readonly networking: TaskNetworking;
  readonly files: TaskFiles;
  readonly node: () => NodeDescription;
  /** Fetches an image that is missing; works for the same image are done once. */
  readonly pull: (
    assignment: TaskAssignment,
    signal: AbortSignal,
    progress: (text: string) => void,
  ) => Promise<PullResult>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onStatus: StatusListener;
  /** Resolves when the last status is on the disk. */
  readonly durable: () => Promise<void>;
}

/** How work ended, or that it has to be tried again, or that something else is wanted meanwhile. */
type Attempt =
  | ActEnd
  | { readonly kind: 'retry'; readonly message: string }
  | { readonly kind: 'overtaken' };

/** Brings one task from state to state, until it is given up or removed. */
export class TaskRunner {
  readonly #options: TaskRunnerOptions;
  readonly #name: string;
  #assignment: TaskAssignment;
  #status: TaskStatus;
  /** Work of an earlier life may have been half done: look before doing it again. */
  #resumed: boolean;
  #closed = false;
  /** What the engine told since it was last asked for. */
  #event: ContainerEvent | undefined;
  #wake: (() => void) | undefined;
  #work: AbortController | undefined;
  readonly #released = Promise.withResolvers<EngineResult<undefined>>();
  readonly #running: Promise<void>;

  constructor(options: TaskRunnerOptions) {
    this.#options = options;
    this.#assignment = options.assignment;
    this.#name = containerName(options.assignment);
    this.#status = options.status;
    this.#resumed = !isBefore(options.status.state, 'preparing');
    this.#running = this.#run();
  }

  get status(): TaskStatus {
    return this.#status;
  }

  get containerName(): string {
    return this.#name;
  }

  /** The desired state only grows. What is said of the networks counts from the next work on. */
  update(assignment: TaskAssignment): void {
    const { desired } = this.#assignment;
    if (isBefore(assignment.desired, desired)) return;
    this.#assignment = assignment;
    if (assignment.desired === desired) return;
    if (!isBefore(assignment.desired, 'shutdown')) this.#work?.abort();
    this.#poke();
  }

  /** What the engine says of the container. */
  noticed(event: ContainerEvent): void {
    const own = this.#status.container?.id ?? event.containerId;
    if (own !== event.containerId) return;
    // Once stopped, stopped: the removal that follows tells nothing new.
    if (this.#event?.kind === 'died') return;
    this.#event = event;
    // Before anything else: others still send to it.
    if (event.kind === 'died') this.#options.networking.gone(this.#assignment.taskId);
    this.#poke();
  }

  /** The engine was out of sight: what it has now is looked at anew. */
  recheck(): void {
    this.#resumed = true;
    this.#event = undefined;
    this.#poke();
  }

  /** Lets go of the task; its container stays as it is. Resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#work?.abort();
    this.#poke();
    await this.#running;
  }

  /**
   * Closes without waiting for a container to stop, which may take its whole grace period: the engine
   * goes on with that by itself, and the next agent looks what came of it.
   */
  async release(): Promise<void> {
    this.#released.resolve({ kind: 'failed', failure: released });
    await this.close();
  }

  /** Lets go of the task and takes its container away. False when the engine could not be asked. */
  async remove(): Promise<boolean> {
    await this.close();
    const { engine, networking, files } = this.#options;
    const { taskId } = this.#assignment;
    const isStopped = isTerminal(this.#status.state);
    if (!isStopped) await networking.drain(taskId, this.#status.container?.pid);
    const gone = await removeContainer(engine, this.#name, isStopped);
    if (!gone) return false;
    networking.gone(taskId);
    await files.remove(taskId);
    return true;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const move = nextMove(this.#status.state, this.#assignment.desired);
      switch (move.kind) {
        case 'rest':
          await this.#changed();
          break;
        case 'pass':
          this.#set(passed(this.#status, move, this.#options.clock.now()));
          break;
        case 'act':
          await this.#act(move.act);
          break;
      }
    }
  }

  async #act(act: Act): Promise<void> {
    const work = new AbortController();
    this.#work = work;
    const attempt = await this.#attempt(act, work.signal);
    this.#work = undefined;
    if (this.#closed) return;
    switch (attempt.kind) {
      case 'overtaken':
        return;
      case 'retry':
        this.#resumed = true;
        this.#options.logger.info(
          { task: this.#assignment.taskId, act, reason: attempt.message },
          'task_work_retried',
        );
        return work.signal.aborted ? undefined : this.#pause(retryMs);
      default:
        this.#resumed = false;
        this.#set(settle(this.#status, act, attempt, this.#options.clock.now()));
    }
  }

  #attempt(act: Act, signal: AbortSignal): Promise<Attempt> {
    switch (act) {
      case 'prepare':
        return this.#prepare(signal);
      case 'start':
        return this.#start(signal);
      case 'wait':
        return this.#wait(signal);
      case 'stop':
        return this.#stop();
    }
  }

  async #prepare(signal: AbortSignal): Promise<Attempt> {
    const networks = await this.#options.networking.prepare(this.#assignment);
    if (signal.aborted) return { kind: 'overtaken' };
    if (networks.kind === 'impossible') return { kind: 'fatal', message: networks.message };
    if (networks.kind === 'waiting') {
      this.#progress(networks.message);
      return { kind: 'retry', message: networks.message };
    }
    const node = this.#options.node();
    const files = await this.#options.files.prepare(this.#assignment, node);
    if (signal.aborted) return { kind: 'overtaken' };
    if (files.kind === 'impossible') return { kind: 'fatal', message: files.message };
    if (files.kind === 'waiting') {
      this.#progress(files.message);
      return { kind: 'retry', message: files.message };
    }
    return this.#create(files.assignment, node, signal);
  }

  /** `assignment` is the task's, with the files it is given among its mounts. */
  async #create(
    assignment: TaskAssignment,
    node: NodeDescription,
    signal: AbortSignal,
  ): Promise<Attempt> {
    let created = await this.#options.engine.create(assignment, node);
    if (created.kind === 'failed' && created.failure.kind === 'not-found') {
      const missing = created.failure;
      if (signal.aborted) return { kind: 'overtaken' };
      const pulled = await this.#options.pull(this.#assignment, signal, (text) =>
        this.#progress(text),
      );
      if (signal.aborted) return { kind: 'overtaken' };
      if (pulled.kind === 'failed') {
        const { taskId, template } = this.#assignment;
        const fields = { task: taskId, image: template.ContainerSpec.Image };
        this.#options.logger.warn({ ...fields, reason: pulled.failure.message }, 'pull_failed');
        // In Swarm the pull's own error is for the log; the task says what it could not find.
        const tried = pulled.reasons.length === 0 ? '' : ` (${pulled.reasons.join('; ')})`;
        return { kind: 'fatal', message: `${missing.message}${tried}` };
      }
      created = await this.#options.engine.create(assignment, node);
    }
    if (created.kind === 'ok') {
      return { kind: 'done', container: { id: created.value.id, pid: 0, exitCode: 0 } };
    }
    return created.failure.kind === 'conflict' ? this.#adopt(created.failure) : failed(created);
  }

  /** The name is taken: by the container that an earlier attempt has made. */
  async #adopt(conflict: EngineFailure): Promise<Attempt> {
    const found = await this.#options.engine.inspect(this.#name);
    if (found.kind === 'failed') return { kind: 'retry', message: found.failure.message };
    if (found.value.taskId !== this.#assignment.taskId) {
      return { kind: 'fatal', message: conflict.message };
    }
    return { kind: 'done', container: containerStatus(found.value) };
  }

  async #start(signal: AbortSignal): Promise<Attempt> {
    const { engine } = this.#options;
    try {
      // From here on the task may have run: it must never be started a second time after a crash.
      await this.#options.durable();
    } catch (error) {
      return { kind: 'retry', message: String(error) };
    }
    if (signal.aborted) return { kind: 'overtaken' };
    const container = this.#status.container?.id ?? this.#name;
    const looked = this.#resumed ? await engine.inspect(container) : undefined;
    if (looked?.kind === 'failed') return failed(looked);
    this.#options.networking.joined(this.#assignment, this.#status.container?.id ?? '');
    if (looked === undefined || looked.value.state === 'created') {
      const started = await engine.start(container);
      if (started.kind === 'failed') return startFailed(started);
    }
    const running = looked?.value.state === 'running' ? looked : await engine.inspect(container);
    if (running.kind === 'failed') {
      const died = this.#takeDeath();
      return died ?? failed(running);
    }
    const end = await this.#untilHealthy(running.value, signal);
    if (end.kind === 'done') await this.#options.networking.serve(this.#assignment.taskId);
    return end;
  }

  async #untilHealthy(started: TaskContainer, signal: AbortSignal): Promise<Attempt> {
    if (started.state !== 'running') return stopped(started);
    const end: ActEnd = {
      kind: 'done',
      container: containerStatus(started),
      ...(started.ports.length === 0 ? {} : { ports: started.ports }),
    };
    if (started.health === 'none' || started.health === 'healthy') return end;
    if (started.health === 'unhealthy') return this.#unhealthy(started.id);
    for (;;) {
      const event = await this.#nextEvent(signal);
      if (event === 'overtaken') return { kind: 'overtaken' };
      if (event === 'recheck') return { kind: 'retry', message: 'the engine was out of sight' };
      if (event.kind === 'healthy') return end;
      if (event.kind === 'unhealthy') return this.#unhealthy(started.id);
      if (event.kind === 'died') return this.#exit(event.containerId, event.exitCode);
      if (event.kind === 'removed') return this.#exit(event.containerId, killedExitCode);
    }
  }

  async #wait(signal: AbortSignal): Promise<Attempt> {
    const { engine } = this.#options;
    if (this.#resumed) {
      const container = this.#status.container?.id ?? this.#name;
      const found = await engine.inspect(container);
      if (found.kind === 'failed') {
        return found.failure.kind === 'not-found'
          ? { kind: 'fatal', message: `No such container: ${this.#name}` }
          : { kind: 'retry', message: found.failure.message };
      }
      if (found.value.state !== 'running') return stopped(found.value);
      if (found.value.health === 'unhealthy') return this.#unhealthy(found.value.id);
      this.#options.networking.restored(this.#assignment, found.value.id);
      this.#resumed = false;
    }
    for (;;) {
      const event = await this.#nextEvent(signal);
      if (event === 'overtaken') return { kind: 'overtaken' };
      if (event === 'recheck') return this.#wait(signal);
      if (event.kind === 'died') return this.#exit(event.containerId, event.exitCode);
      if (event.kind === 'removed') return this.#exit(event.containerId, killedExitCode);
      if (event.kind === 'unhealthy') return this.#unhealthy(event.containerId);
    }
  }

  async #unhealthy(containerId: string): Promise<Attempt> {
    const { engine, clock } = this.#options;
    // The log must not imply that others send to it while it stops.
    if (this.#status.state === 'running' && this.#status.err === '') {
      this.#set({ ...this.#status, err: unhealthyReason, at: clock.now() });
    }
    const ended = await this.#stopContainer(containerId);
    if (ended.kind === 'failed' && ended.failure.kind === 'unreachable') return failed(ended);
    const found = await engine.inspect(containerId);
    if (found.kind === 'failed') return this.#exit(containerId, killedExitCode, unhealthyReason);
    return this.#exit(containerId, found.value.exitCode, unhealthyReason);
  }

  /** First nobody sends to it any more. */
  #stopContainer(container: string): Promise<EngineResult<undefined>> {
    const { engine, networking } = this.#options;
    const ended = networking
      .drain(this.#assignment.taskId, this.#status.container?.pid)
      .then(() => engine.stop(container, graceOf(this.#assignment)));
    return Promise.race([ended, this.#released.promise]);
  }

  async #stop(): Promise<Attempt> {
    const { engine } = this.#options;
    // Nothing was made for a task that was not prepared.
    if (isBefore(this.#status.state, 'preparing')) return { kind: 'done' };
    const container = this.#status.container?.id ?? this.#name;
    const ended = await this.#stopContainer(container);
    if (ended.kind === 'failed') {
      return ended.failure.kind === 'not-found' ? { kind: 'done' } : retried(ended);
    }
    const died = this.#takeDeath();
    if (died !== undefined || isBefore(this.#status.state, 'starting')) {
      return died ?? { kind: 'done' };
    }
    const found = await engine.inspect(container);
    if (found.kind === 'failed' || found.value.state === 'created') return { kind: 'done' };
    return stopped(found.value);
  }

  #exit(id: string, exitCode: number, reason?: string): ActEnd {
    const container = { id, pid: this.#status.container?.pid ?? 0, exitCode };
    return { kind: 'exited', container, ...(reason === undefined ? {} : { reason }) };
  }

  #takeDeath(): ActEnd | undefined {
    const event = this.#event;
    return event?.kind === 'died' ? this.#exit(event.containerId, event.exitCode) : undefined;
  }

  #progress(text: string): void {
    if (this.#status.state !== 'preparing' || this.#closed) return;
    const message = `preparing: ${text}`;
    if (message === this.#status.message) return;
    this.#set({ ...this.#status, message, at: this.#options.clock.now() });
  }

  #set(status: TaskStatus): void {
    this.#status = status;
    const { taskId, desired } = this.#assignment;
    if (isTerminal(status.state)) this.#options.networking.gone(taskId);
    const isPassing =
      isBefore(status.state, 'running') && nextMove(status.state, desired).kind !== 'rest';
    this.#options.onStatus(taskId, status, isPassing);
  }

  /** Waits for the next word of the engine, or for something else that is wanted. */
  async #nextEvent(signal: AbortSignal): Promise<ContainerEvent | 'overtaken' | 'recheck'> {
    for (;;) {
      if (this.#closed || signal.aborted) return 'overtaken';
      if (this.#resumed) return 'recheck';
      const event = this.#event;
      if (event !== undefined) {
        if (event.kind !== 'died') this.#event = undefined;
        return event;
      }
      await this.#changed();
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #poke(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async #pause(ms: number): Promise<void> {
    const changed = this.#changed();
    const timer = this.#options.clock.after(ms, () => this.#poke());
    await changed;
    timer.cancel();
  }
}

/** What a container that was killed exits with. */
const killedExitCode = 137;

function graceOf(assignment: TaskAssignment): number {
  return graceSeconds(assignment.template.ContainerSpec);
}

function failed(result: EngineResult<unknown> & { readonly kind: 'failed' }): Attempt {
  const { kind, message } = result.failure;
  return kind === 'unreachable' ? { kind: 'retry', message } : { kind: 'fatal', message };
}

function retried(result: EngineResult<unknown> & { readonly kind: 'failed' }): Attempt {
  return { kind: 'retry', message: result.failure.message };
}

/** Swarm's words in front of the engine's. */
function startFailed(result: EngineResult<unknown> & { readonly kind: 'failed' }): Attempt {
  const attempt = failed(result);
  return attempt.kind === 'fatal'
    ? { kind: 'fatal', message: `starting container failed: ${attempt.message}` }
    : attempt;
}

/** A container that is not running any more, as an end of the task. */
function stopped(container: TaskContainer): ActEnd {
  const status = containerStatus(container);
  if (container.state === 'created') {
    const message = `starting container failed: ${container.error}`;
    return { kind: 'fatal', message, container: status };
  }
  return { kind: 'exited', container: status };
}

/** Stops a container if it may still run, then takes it away. False when the engine could not be asked. */
export async function removeContainer(
  engine: Engine,
  container: string,
  isStopped: boolean,
): Promise<boolean> {
  if (!isStopped) {
    const ended = await engine.stop(container);
    if (ended.kind === 'failed' && ended.failure.kind === 'not-found') return true;
    if (ended.kind === 'failed' && ended.failure.kind === 'unreachable') return false;
  }
  const removed = await engine.remove(container);
  // A conflict means that somebody else is removing it just now.
  return removed.kind === 'ok' || removed.failure.kind !== 'unreachable';
}

/** The least that is known of a task from its container alone. */
export function stateFromContainer(container: TaskContainer): TaskState {
  return container.state === 'created' ? 'ready' : 'running';
}
