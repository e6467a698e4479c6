import { type LogOptions, nanoTime } from '@shoal/docker-api';
import type { LogLine } from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';
import { isTerminal, type Task } from '@shoal/state';
import type { Chunks, LogFormat } from './chunks.ts';
import type { Feeds } from './feeds.ts';
import { chunkBytesMax, readsPerFollowerMax, stallMs, tasksMax } from './limits.ts';
import type { LogMetrics } from './metrics.ts';
import type { Pump, Pumped } from './pump.ts';
import { hasBegun, type ServiceTasks, type ServiceWatcher } from './service-tasks.ts';
import { type ReaderOutput, TaskReader } from './task-reader.ts';
import { Turns } from './turns.ts';
import type { Upstream } from './upstream.ts';

/** Which log a client reads: that of a service, or of one task. */
export interface LogSubject {
  readonly serviceId: string;
  readonly taskId?: string | undefined;
}

/** One client's connection. */
export interface LogSink {
  /** False when the client is slow: it is called again after {@link LogFollower.drained}. */
  write(bytes: Uint8Array): boolean;
  end(): void;
}

/** What all clients of a process share. */
export interface SharedLogs {
  readonly upstream: Upstream;
  readonly feeds: Feeds;
  readonly chunks: Chunks;
  readonly turns: Turns;
  readonly pump: Pump;
  readonly tasks: ServiceTasks;
  readonly clock: Clock;
  readonly metrics: LogMetrics;
}

export interface LogRequest {
  readonly subject: LogSubject;
  readonly options: LogOptions;
  readonly format: LogFormat;
  readonly sink: LogSink;
}

/** Brings together the lines of a service's tasks for one client; following, new tasks too. */
export class LogFollower implements ReaderOutput, Pumped, ServiceWatcher {
  readonly format: LogFormat;
  readonly #shared: SharedLogs;
  readonly #request: LogRequest;
  readonly #ownTurns: Turns;
  readonly #onStop: () => void;
  readonly #readers = new Map<string, TaskReader>();
  /** Readers with lines in their feed, in the order in which they are served. */
  readonly #ready = new Set<TaskReader>();
  #isFollowing: boolean;
  #isBlocked = false;
  #stall: Timer | undefined;
  #until: Timer | undefined;
  #stopped = false;

  constructor(shared: SharedLogs, request: LogRequest, onStop: () => void) {
    this.#shared = shared;
    this.#request = request;
    this.#onStop = onStop;
    this.format = request.format;
    this.#ownTurns = new Turns({
      most: readsPerFollowerMax,
      sliceMs: Number.POSITIVE_INFINITY,
      clock: shared.clock,
    });
    this.#isFollowing = request.options.follow;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  start(): void {
    const { tasks, clock, upstream } = this.#shared;
    const { subject, options } = this.#request;
    if (options.follow && options.until !== undefined) {
      const { seconds, nanos } = options.until;
      const leftMs = seconds * 1_000 + nanos / 1e6 - clock.now();
      if (leftMs <= 0) this.#isFollowing = false;
      else this.#until = clock.after(leftMs, () => this.#finish());
    }
    const { serviceId } = subject;
    const begun = this.#isFollowing ? tasks.watch(serviceId, this) : tasks.begun(serviceId);
    const own = begun.filter(({ id }) => this.#isOwn(id));
    this.#add(own, options.tail);
    if (!this.#isFollowing)
      for (const task of upstream.view.tasks.byService(subject.serviceId))
        if (this.#isOwn(task.id) && task.nodeId === '' && !isTerminal(task.status.state))
          this.gap(`task ${task.id} has not been scheduled`, task);
    this.#endIfDone();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stall?.cancel();
    this.#until?.cancel();
    this.#shared.tasks.unwatch(this.#request.subject.serviceId, this);
    this.#shared.pump.remove(this);
    for (const reader of this.#readers.values()) reader.stop();
    this.#readers.clear();
    this.#ready.clear();
    this.#ownTurns.stop();
    this.#onStop();
  }

  /** The manager is none any more: what was written stays all there is. */
  cut(): void {
    if (this.#stopped) return;
    this.stop();
    this.#request.sink.end();
  }

  /** The client takes bytes again. */
  drained(): void {
    if (this.#stopped) return;
    this.#isBlocked = false;
    this.#stall?.cancel();
    this.#stall = undefined;
    for (const reader of [...this.#readers.values()]) reader.drained();
    if (this.#ready.size > 0) this.#shared.pump.ready(this);
  }

  tasksBegan(tasks: readonly Task[]): void {
    const own = tasks.filter(({ id }) => this.#isOwn(id) && !this.#readers.has(id));
    this.#add(own, -1);
  }

  changed(): void {
    this.#endIfDone();
  }

  lines(lines: readonly LogLine[]): boolean {
    if (this.#stopped) return false;
    const frames = lines.flatMap((line) => this.format.frame(line) ?? []);
    if (frames.length === 0) return !this.#isBlocked;
    this.#shared.metrics.lines(frames.length);
    return this.#write(Buffer.concat(frames));
  }

  ready(reader: TaskReader): void {
    this.#ready.add(reader);
    if (!this.#isBlocked) this.#shared.pump.ready(this);
  }

  gap(reason: string, task: Task): void {
    if (this.#stopped) return;
    this.#shared.metrics.gap();
    this.#write(this.format.gap(reason, task));
  }

  done(reader: TaskReader): void {
    this.#readers.delete(reader.task.id);
    this.#ready.delete(reader);
    this.#endIfDone();
  }

  fellBehind(): void {
    this.#shared.metrics.behind();
  }

  /** Writes one chunk of each reader in turn, up to a chunk's bytes in all. */
  pump(): boolean {
    let bytes = 0;
    for (const reader of this.#ready) {
      if (this.#isBlocked || this.#stopped || bytes >= chunkBytesMax) break;
      this.#ready.delete(reader);
      const chunk = reader.pull();
      if (chunk === undefined) continue;
      this.#ready.add(reader);
      bytes += chunk.bytes.length;
      this.#shared.metrics.lines(chunk.lines);
      if (chunk.bytes.length > 0) this.#write(chunk.bytes);
    }
    return !this.#isBlocked && this.#ready.size > 0;
  }

  #isOwn(taskId: string): boolean {
    const { subject } = this.#request;
    return subject.taskId === undefined || subject.taskId === taskId;
  }

  #add(tasks: readonly Task[], tail: number): void {
    const { upstream, feeds, chunks, turns, clock } = this.#shared;
    const { since, until } = this.#request.options;
    const added: TaskReader[] = [];
    for (const task of tasks) {
      if (this.#readers.size >= tasksMax) break;
      const follows = this.#isFollowing && !upstream.hasEnded(task.id);
      const feed = follows ? feeds.take(task) : undefined;
      if (follows && feed === undefined)
        this.gap(`too many tasks are followed at this manager to follow ${task.id}`, task);
      const reader = new TaskReader({
        task,
        wanted: { tail, since, until },
        feed,
        upstream,
        chunks,
        turns: { own: this.#ownTurns, all: turns },
        output: this,
        clock,
      });
      this.#readers.set(task.id, reader);
      added.push(reader);
    }
    for (const reader of added) reader.start();
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#request.sink.write(bytes)) return !this.#isBlocked;
    this.#isBlocked = true;
    this.#stall ??= this.#shared.clock.after(stallMs, () => {
      this.#stall = undefined;
      for (const reader of this.#readers.values()) reader.park();
    });
    return false;
  }

  /** The time has come up to which the log was asked for. */
  #finish(): void {
    const { until } = this.#request.options;
    this.#isFollowing = false;
    this.#shared.tasks.unwatch(this.#request.subject.serviceId, this);
    const last = until ?? nanoTime(this.#shared.clock.now());
    for (const reader of [...this.#readers.values()]) reader.finishAt(last);
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#stopped || this.#readers.size > 0) return;
    if (this.#isFollowing && this.#canCome()) return;
    this.stop();
    this.#request.sink.end();
  }

  #canCome(): boolean {
    const { view } = this.#shared.upstream;
    const { serviceId, taskId } = this.#request.subject;
    if (taskId === undefined) return view.services.get(serviceId) !== undefined;
    const task = view.tasks.get(taskId);
    return task !== undefined && !hasBegun(task) && !isTerminal(task.status.state);
  }
}
