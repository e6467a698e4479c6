import type { LogOptions } from '@shoal/docker-api';
import type { LogLine, LogSubscription } from '@shoal/proto';
import { type Clock, newId, type Random, type Timer } from '@shoal/runtime';
import type { StateView, Task } from '@shoal/state';
import type { Manager } from '../cluster/standing.ts';
import type { LogSource, LogStream } from './log-source.ts';

/** Pause before a followed log is asked for again after its dispatcher went away, milliseconds. */
const retryMs = 1_000;
/** Tasks of one request; a service has fewer, counting those that have ended. */
const tasksMax = 50_000;

/** Which log a client reads: that of a service, or of one task. */
export interface LogSubject {
  readonly serviceId: string;
  readonly taskId?: string | undefined;
}

export interface LogSink {
  /** False when the client is slow: nothing more is sent until {@link LogCollector.drained}. */
  line(line: LogLine): boolean;
  gaps(gaps: readonly string[], task: Task): void;
  end(): void;
}

export interface LogCollectorOptions {
  readonly manager: Manager;
  readonly source: LogSource;
  readonly subject: LogSubject;
  readonly options: LogOptions;
  readonly sink: LogSink;
  readonly clock: Clock;
  readonly random: Random;
}

/** Brings together the lines of a service's tasks from all dispatchers; follows new tasks too. */
export class LogCollector {
  readonly #setup: LogCollectorOptions;
  readonly #streams = new Set<LogStream>();
  /** Tasks that were asked for, with the time of their newest line. */
  readonly #asked = new Map<string, LogLine['time']>();
  readonly #unsubscribe: () => void;
  #retry: Timer | undefined;
  #stopped = false;

  constructor(setup: LogCollectorOptions) {
    this.#setup = setup;
    const { options, manager } = setup;
    this.#unsubscribe = options.follow
      ? manager.replica.subscribe(() => this.#more())
      : () => undefined;
  }

  start(): void {
    this.#ask(this.#tasks(), this.#setup.options.tail);
    this.#endIfDone();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unsubscribe();
    this.#retry?.cancel();
    for (const stream of this.#streams) stream.cancel();
    this.#streams.clear();
  }

  drained(): void {
    for (const stream of this.#streams) stream.resume();
  }

  get #view(): StateView {
    return this.#setup.manager.replica.view;
  }

  /** Tasks that have (or had) a container somewhere and were not asked for yet. */
  #tasks(): readonly Task[] {
    const { serviceId, taskId } = this.#setup.subject;
    const candidates =
      taskId === undefined
        ? this.#view.tasks.byService(serviceId)
        : [this.#view.tasks.get(taskId)].filter((task) => task !== undefined);
    const found: Task[] = [];
    for (const task of candidates) {
      if (this.#asked.size + found.length >= tasksMax) break;
      const hasRun = task.status.container !== undefined || task.status.state === 'running';
      if (task.nodeId !== '' && hasRun && !this.#asked.has(task.id)) found.push(task);
    }
    return found;
  }

  #more(): void {
    const tasks = this.#tasks();
    if (tasks.length > 0) this.#ask(tasks, -1);
    this.#endIfDone();
  }

  #ask(tasks: readonly Task[], tail: number): void {
    const byDispatcher = new Map<string, Task[]>();
    for (const task of tasks) {
      this.#asked.set(task.id, this.#asked.get(task.id));
      const dispatcher = this.#view.nodes.get(task.nodeId)?.status.dispatcher ?? '';
      const address = this.#view.leases.get(dispatcher)?.address ?? '';
      if (address === '') {
        this.#setup.sink.gaps([`node ${task.nodeId} is not available`], task);
        continue;
      }
      const group = byDispatcher.get(address) ?? [];
      group.push(task);
      byDispatcher.set(address, group);
    }
    for (const [address, group] of byDispatcher) this.#open(address, group, tail);
  }

  #open(address: string, tasks: readonly Task[], tail: number): void {
    const { source, manager, sink } = this.#setup;
    const [first] = tasks;
    if (first === undefined) return;
    const stream = source.subscribe(manager.identity, address, this.#subscription(tasks, tail), {
      lines: ({ lines, gaps }) => {
        if (this.#stopped) return;
        let keepUp = true;
        for (const line of lines) {
          this.#asked.set(line.taskId, line.time);
          keepUp = sink.line(line) && keepUp;
        }
        if (gaps.length > 0) sink.gaps(gaps, first);
        if (!keepUp) stream.pause();
      },
      end: (failure) => {
        this.#streams.delete(stream);
        if (this.#stopped) return;
        if (failure !== '') this.#broken(tasks, failure);
        this.#endIfDone();
      },
    });
    this.#streams.add(stream);
  }

  /** A followed log goes on from where it broke off; another one says what is missing. */
  #broken(tasks: readonly Task[], failure: string): void {
    const { options, clock, sink } = this.#setup;
    const [first] = tasks;
    if (!options.follow) {
      if (first !== undefined) sink.gaps([failure], first);
      return;
    }
    this.#retry?.cancel();
    this.#retry = clock.after(retryMs, () => {
      this.#retry = undefined;
      if (this.#stopped) return;
      const left = tasks.flatMap(({ id }) => this.#view.tasks.get(id) ?? []);
      for (const task of left) this.#ask([task], -1);
    });
  }

  #subscription(tasks: readonly Task[], tail: number): LogSubscription {
    const { options, random } = this.#setup;
    const [only] = tasks;
    const seen = tasks.length === 1 && only !== undefined ? this.#asked.get(only.id) : undefined;
    return {
      id: newId(random),
      taskIds: tasks.map(({ id }) => id),
      follow: options.follow,
      tail,
      since: seen === undefined ? options.since : { ...seen, nanos: seen.nanos + 1 },
      until: options.until,
      stdout: options.stdout,
      stderr: options.stderr,
    };
  }

  #endIfDone(): void {
    if (this.#stopped || this.#streams.size > 0 || this.#retry !== undefined) return;
    const { options, subject, sink } = this.#setup;
    const { taskId, serviceId } = subject;
    const canCome =
      taskId === undefined
        ? this.#view.services.get(serviceId) !== undefined
        : this.#view.tasks.get(taskId) !== undefined && this.#asked.size === 0;
    if (options.follow && canCome) return;
    this.stop();
    sink.end();
  }
}
