import type { Clock } from '@shoal/runtime';
import { isBefore, isTerminal, type TaskAssignment, type TaskStatus } from '@shoal/state';
import { containerName, graceSeconds } from '../executor/container-config.ts';
import {
  type ContainerEvent,
  containerStatus,
  type EngineResult,
  type TaskContainer,
} from '../executor/engine.ts';
import { type Act, type ActEnd, nextMove, passed, settle } from '../task/machine.ts';
import { type Attempt, type Overtaken, retried, startFailed, stopped, unseen } from './attempt.ts';
import { removeContainer } from './container-removal.ts';
import { type PreparationParts, prepare } from './preparation.ts';

/** Pause before work that could not be done is tried again, milliseconds. */
const retryMs = 1_000;
/** Of a longer sentence of the engine's the beginning counts. */
const sentenceCharsMax = 4_096;
const unhealthyReason = 'dockerexec: unhealthy container';

/** `isPassing`: as {@link TaskRunner.isPassing}. */
export type TaskListener = (taskId: string, status: TaskStatus, isPassing: boolean) => void;

export interface TaskRunnerOptions extends PreparationParts {
  readonly assignment: TaskAssignment;
  readonly status: TaskStatus;
  readonly clock: Clock;
  readonly onStatus: TaskListener;
  /** Resolves when the last status is on the disk. */
  readonly durable: () => Promise<void>;
}

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
  /** Its container was started by somebody else, or seen to run, after the task had ended. */
  #mayRunAgain = false;
  #wake: (() => void) | undefined;
  #work: AbortController | undefined;
  readonly #released = Promise.withResolvers<Overtaken>();
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

  /** On its way to run, as fast as it can be brought on: another status follows soon. */
  get isPassing(): boolean {
    const { state } = this.#status;
    return isBefore(state, 'running') && nextMove(state, this.#assignment.desired).kind !== 'rest';
  }

  /** The desired state only grows. What is said of the networks counts from the next work on. */
  update(assignment: TaskAssignment): void {
    const { desired } = this.#assignment;
    if (isBefore(assignment.desired, desired)) return;
    this.#assignment = assignment;
    if (assignment.desired === desired) return;
    if (isBefore('complete', assignment.desired)) this.#work?.abort();
    this.#poke();
  }

  /** What the engine says of the container. */
  noticed(event: ContainerEvent): void {
    if (this.#status.container?.id !== event.containerId) return;
    if (event.kind === 'started') {
      if (this.#event?.kind === 'died') this.#mayRunAgain = true;
      this.seenRunning();
      return;
    }
    // Once stopped, stopped: the removal that follows tells nothing new.
    if (this.#event?.kind === 'died') return;
    this.#event = event;
    // Before anything else: others still send to it.
    if (event.kind === 'died') this.#options.networking.gone(this.#assignment.taskId);
    this.#poke();
  }

  /** Its container runs: that of a task that has ended is not to. */
  seenRunning(): void {
    if (isTerminal(this.#status.state)) this.#mayRunAgain = true;
    if (this.#mayRunAgain) this.#poke();
  }

  /** The engine was out of sight: what it has now is looked at anew. */
  recheck(): void {
    this.#resumed = true;
    if (this.#event?.kind !== 'died') this.#event = undefined;
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
   * Closes without waiting for the engine, which may take the whole grace period of a container, or for ever where
   * the server of a volume is away: it goes on by itself, and the next agent looks what came of it.
   */
  async release(): Promise<void> {
    this.#released.resolve({ kind: 'overtaken' });
    await this.close();
  }

  /** Lets go of the task and takes its container away. False when the engine did not do it. */
  async remove(): Promise<boolean> {
    await this.close();
    const { engine, networking } = this.#options;
    const { taskId } = this.#assignment;
    const { state, container } = this.#status;
    const isStopped = isTerminal(state) && !this.#mayRunAgain;
    if (!isTerminal(state)) await networking.drain(taskId, container?.pid);
    const removal = await removeContainer(engine, container?.id ?? this.#name, isStopped);
    if (removal !== 'gone') return false;
    networking.gone(taskId);
    return true;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const move = nextMove(this.#status.state, this.#assignment.desired);
      switch (move.kind) {
        case 'rest':
          if (this.#mayRunAgain && isTerminal(this.#status.state)) await this.#endAgain();
          else await this.#changed();
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
    const attempt = await Promise.race([
      this.#attempt(act, work.signal, this.#takeResumed()),
      this.#released.promise,
    ]);
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
        this.#set(settle(this.#status, act, attempt, this.#options.clock.now()));
    }
  }

  /** Said again while work is under way, it counts for the work that follows. */
  #takeResumed(): boolean {
    const isResumed = this.#resumed;
    this.#resumed = false;
    return isResumed;
  }

  #attempt(act: Act, signal: AbortSignal, isResumed: boolean): Promise<Attempt> {
    switch (act) {
      case 'prepare':
        return prepare(this.#options, this.#assignment, signal, (text) => this.#progress(text));
      case 'start':
        return this.#start(signal, isResumed);
      case 'wait':
        return this.#wait(signal, isResumed);
      case 'stop':
        return this.#stop();
    }
  }

  async #start(signal: AbortSignal, isResumed: boolean): Promise<Attempt> {
    const { engine } = this.#options;
    try {
      // From here on the task may have run: it must never be started a second time after a crash.
      await this.#options.durable();
    } catch (error) {
      return { kind: 'retry', message: String(error) };
    }
    if (signal.aborted) return { kind: 'overtaken' };
    const container = this.#status.container?.id ?? this.#name;
    const looked = isResumed ? await engine.inspect(container) : undefined;
    if (looked?.kind === 'failed') return unseen(looked);
    const id = this.#status.container?.id ?? '';
    this.#options.networking.joined(this.#assignment, id, this.#options.node());
    if (looked === undefined || looked.value.state === 'created') {
      const started = await engine.start(container);
      if (started.kind === 'failed') return startFailed(started);
    }
    if (this.#closed) return { kind: 'overtaken' };
    const running = looked?.value.state === 'running' ? looked : await engine.inspect(container);
    if (running.kind === 'failed') {
      const died = this.#takeDeath();
      return died ?? unseen(running);
    }
    const end = await this.#untilHealthy(running.value, signal);
    if (end.kind === 'done') await this.#options.networking.serve(this.#assignment.taskId);
    return end;
  }

  async #untilHealthy(started: TaskContainer, signal: AbortSignal): Promise<Attempt> {
    if (started.state !== 'running') return this.#stopped(started);
    const end: ActEnd = {
      kind: 'done',
      container: containerStatus(started),
      ...(started.ports.length === 0 ? {} : { ports: started.ports }),
    };
    if (this.#isToStop(started)) return this.#unhealthy(started.id);
    if (started.health === 'none' || started.health === 'healthy') return end;
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

  async #wait(signal: AbortSignal, isResumed: boolean): Promise<Attempt> {
    const { engine } = this.#options;
    if (isResumed) {
      const container = this.#status.container?.id ?? this.#name;
      const found = await engine.inspect(container);
      if (found.kind === 'failed') {
        return found.failure.kind === 'not-found'
          ? (this.#takeDeath() ?? { kind: 'fatal', message: `No such container: ${this.#name}` })
          : { kind: 'retry', message: found.failure.message };
      }
      if (found.value.state !== 'running') return this.#stopped(found.value);
      if (this.#isToStop(found.value)) return this.#unhealthy(found.value.id);
      this.#options.networking.restored(this.#assignment, found.value.id, this.#options.node());
    }
    for (;;) {
      const event = await this.#nextEvent(signal);
      if (event === 'overtaken') return { kind: 'overtaken' };
      if (event === 'recheck') return this.#wait(signal, this.#takeResumed());
      if (event.kind === 'died') return this.#exit(event.containerId, event.exitCode);
      if (event.kind === 'removed') return this.#exit(event.containerId, killedExitCode);
      if (event.kind === 'unhealthy') return this.#unhealthy(event.containerId);
    }
  }

  /** Also what was unhealthy when it was last looked at, and could not be stopped then. */
  #isToStop({ health }: TaskContainer): boolean {
    return health === 'unhealthy' || this.#status.err === unhealthyReason;
  }

  async #unhealthy(containerId: string): Promise<Attempt> {
    const { engine, clock } = this.#options;
    // The log must not imply that others send to it while it stops; and a restart must not forget why it does.
    if (this.#status.err === '') {
      this.#set({ ...this.#status, err: unhealthyReason, at: clock.now() });
    }
    const ended = await this.#stopContainer(containerId);
    if (ended.kind === 'failed' && ended.failure.kind !== 'not-found') return retried(ended);
    const found = await engine.inspect(containerId);
    if (found.kind === 'failed') {
      return found.failure.kind === 'not-found'
        ? this.#exit(containerId, killedExitCode, unhealthyReason)
        : retried(found);
    }
    return this.#exit(containerId, found.value.exitCode, unhealthyReason);
  }

  /** First nobody sends to it any more. */
  async #stopContainer(container: string): Promise<EngineResult<undefined>> {
    const { engine, networking } = this.#options;
    await networking.drain(this.#assignment.taskId, this.#status.container?.pid);
    return engine.stop(container, graceOf(this.#assignment));
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

  /** What took the task's place has its volumes and ports: only the logs of what has ended are kept. */
  async #endAgain(): Promise<void> {
    this.#mayRunAgain = false;
    const { engine, logger } = this.#options;
    const container = this.#status.container?.id ?? this.#name;
    const found = await Promise.race([engine.inspect(container), this.#released.promise]);
    if (found.kind === 'ok') {
      if (found.value.state !== 'running') return;
      logger.warn({ task: this.#assignment.taskId, container }, 'ended_task_runs_again');
    }
    while (!this.#closed) {
      const stopped = engine.stop(container, graceOf(this.#assignment));
      const ended = await Promise.race([stopped, this.#released.promise]);
      if (ended.kind === 'ok') return;
      if (ended.kind === 'failed' && ended.failure.kind === 'not-found') return;
      if (!this.#closed) await this.#pause(retryMs);
    }
    this.#mayRunAgain = true;
  }

  /** Whoever stopped it for being unhealthy may not have lived to see the end. */
  #stopped(container: TaskContainer): ActEnd {
    const end = stopped(container);
    const isUnhealthy = this.#status.err === unhealthyReason && end.kind === 'exited';
    return isUnhealthy ? { ...end, reason: unhealthyReason } : end;
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
    const message = beginningOf(`preparing: ${text}`);
    if (message === this.#status.message) return;
    // Clients show `err` alone beside a task that is not there yet.
    this.#set({ ...this.#status, message, err: text, at: this.#options.clock.now() });
  }

  #set({ message, err, ...rest }: TaskStatus): void {
    const status = { ...rest, message: beginningOf(message), err: beginningOf(err) };
    this.#status = status;
    const { taskId } = this.#assignment;
    if (isTerminal(status.state)) this.#options.networking.gone(taskId);
    this.#options.onStatus(taskId, status, this.isPassing);
  }

  /** Waits for the next word of the engine, or for something else that is wanted. */
  async #nextEvent(signal: AbortSignal): Promise<ContainerEvent | 'overtaken' | 'recheck'> {
    for (;;) {
      if (this.#closed || signal.aborted) return 'overtaken';
      const event = this.#event;
      if (event?.kind === 'died') return event;
      if (this.#resumed) return 'recheck';
      this.#event = undefined;
      if (event !== undefined) return event;
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

function beginningOf(sentence: string): string {
  return sentence.slice(0, sentenceCharsMax);
}

function graceOf(assignment: TaskAssignment): number {
  return graceSeconds(assignment.template.ContainerSpec);
}
