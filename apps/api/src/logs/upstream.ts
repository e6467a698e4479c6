import type { NanoTime } from '@shoal/docker-api';
import type { LogLine, LogLines } from '@shoal/proto';
import { newId, type Random } from '@shoal/runtime';
import { isTerminal, type StateView, type Task } from '@shoal/state';
import type { Manager } from '../cluster/standing.ts';
import type { LogListener, LogSource, LogStream } from './log-source.ts';

/** Which lines of a task are asked for. */
export interface LineRange {
  readonly follow: boolean;
  /** Lines from the end; -1 for all. */
  readonly tail: number;
  readonly since?: NanoTime | undefined;
  readonly until?: NanoTime | undefined;
}

/** How the reading of a task's log ended. */
export type ReadEnd =
  /** Nothing more can come. With a reason when the engine would not say more. */
  | { readonly kind: 'complete'; readonly whole: boolean; readonly reason: string }
  /** There may be more; with `isDown` not before the node is back. */
  | { readonly kind: 'broken'; readonly reason: string; readonly isDown: boolean };

export interface ReadListener {
  /** The node has answered; also called without lines. */
  lines(lines: readonly LogLine[]): void;
  /** Called once, unless the read was cancelled. */
  end(end: ReadEnd): void;
}

/** The ways to the logs of tasks. */
export class Upstream {
  readonly #manager: Manager;
  readonly #source: LogSource;
  readonly #random: Random;

  constructor(manager: Manager, source: LogSource, random: Random) {
    this.#manager = manager;
    this.#source = source;
    this.#random = random;
  }

  get view(): StateView {
    return this.#manager.replica.view;
  }

  /** The task as it is now; undefined when it is no longer known. */
  task(id: string): Task | undefined {
    return this.view.tasks.get(id);
  }

  /** Whether its container cannot write any more. */
  hasEnded(id: string): boolean {
    const task = this.task(id);
    return task === undefined || isTerminal(task.status.state);
  }

  /** Reads both streams of a task's container: what `tail` counts must not depend on who reads. */
  read(task: Task, range: LineRange, listener: ReadListener): LogStream {
    const address = this.#address(task.nodeId);
    const reading = new Reading(task, listener);
    if (address.kind === 'none') {
      queueMicrotask(() => reading.end(address.end));
      return reading;
    }
    const { follow, tail, since, until } = range;
    const subscription = {
      id: newId(this.#random),
      taskIds: [task.id],
      follow,
      tail,
      since,
      until,
      stdout: true,
      stderr: true,
    };
    reading.stream = this.#source.subscribe(
      this.#manager.identity,
      address.address,
      subscription,
      reading,
    );
    return reading;
  }

  #address(
    nodeId: string,
  ): { readonly kind: 'at'; readonly address: string } | { kind: 'none'; end: ReadEnd } {
    const { state = 'down', dispatcher = '' } = this.view.nodes.get(nodeId)?.status ?? {};
    const address = this.view.leases.get(dispatcher)?.address ?? '';
    // A dispatcher that is gone is soon followed by another one.
    const isDown = state === 'down' || dispatcher === '';
    if (address !== '' && !isDown) return { kind: 'at', address };
    const reason = `node ${nodeId} is not available`;
    return { kind: 'none', end: { kind: 'broken', reason, isDown } };
  }
}

/** One read: brings together what the messages say of its end. */
class Reading implements LogStream, LogListener {
  readonly #task: Task;
  readonly #listener: ReadListener;
  stream: LogStream | undefined;
  #over = false;
  #isBroken = false;
  #isWhole = false;
  #reason = '';

  constructor(task: Task, listener: ReadListener) {
    this.#task = task;
    this.#listener = listener;
  }

  lines({ lines, gaps, end }: LogLines): void {
    if (this.#over) return;
    if (gaps.length > 0) this.#reason = gaps.join(', ');
    if (end !== undefined) {
      this.#isBroken = end.broken;
      this.#isWhole = end.whole;
    }
    this.#listener.lines(lines.filter(({ taskId }) => taskId === this.#task.id));
  }

  end(end: string | ReadEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener.end(typeof end === 'string' ? this.#endOf(end) : end);
  }

  #endOf(failure: string): ReadEnd {
    if (failure === '' && !this.#isBroken)
      return { kind: 'complete', whole: this.#isWhole, reason: this.#reason };
    const lost = `node ${this.#task.nodeId} disconnected unexpectedly`;
    return { kind: 'broken', reason: this.#reason === '' ? lost : this.#reason, isDown: false };
  }

  pause(): void {
    this.stream?.pause();
  }

  resume(): void {
    this.stream?.resume();
  }

  cancel(): void {
    this.#over = true;
    this.stream?.cancel();
  }
}
