import { isTimeBefore } from '@shoal/docker-api';
import type { Identity } from '@shoal/pki';
import type { LogEnd, LogLine, LogSubscription } from '@shoal/proto';
import type { Clock, Random } from '@shoal/runtime';
import type { LogListener, LogSource, LogStream } from '../logs/log-source.ts';

/** Longest time between two messages of a stream, milliseconds. */
const delayMsMax = 20;
/** Most lines of a message. */
const linesMax = 20;

/** The logs of containers on some nodes, read over links that the test breaks; behaves as the engine does. */
export class FakeNodeLogs implements LogSource {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lines = new Map<string, LogLine[]>();
  readonly #ended = new Set<string>();
  readonly #streams = new Set<FakeStream>();
  readonly #away = new Set<string>();
  /** Subscriptions in order. */
  readonly asked: LogSubscription[] = [];
  /** Why the engine does not give the log of a task. */
  readonly unreadable = new Map<string, string>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get open(): number {
    return this.#streams.size;
  }

  lines(taskId: string): readonly LogLine[] {
    return this.#lines.get(taskId) ?? [];
  }

  write(line: LogLine): void {
    const lines = this.#lines.get(line.taskId);
    if (lines === undefined) this.#lines.set(line.taskId, [line]);
    else lines.push(line);
    this.#wake();
  }

  /** The container of a task has ended. */
  end(taskId: string): void {
    this.#ended.add(taskId);
    this.#wake();
  }

  isEnded(taskId: string): boolean {
    return this.#ended.has(taskId);
  }

  /** The node cannot be reached until it is told otherwise. */
  away(nodeId: string, isAway: boolean): void {
    if (isAway) this.#away.add(nodeId);
    else this.#away.delete(nodeId);
    this.#wake();
  }

  isAway(nodeId: string): boolean {
    return this.#away.has(nodeId);
  }

  /** Streams break, wherever they are. */
  breakSome(share: number): void {
    for (const stream of [...this.#streams]) if (this.#random.next() < share) stream.break();
  }

  subscribe(
    _identity: Identity,
    _address: string,
    subscription: LogSubscription,
    listener: LogListener,
  ): LogStream {
    this.asked.push(subscription);
    const stream: FakeStream = new FakeStream(
      this,
      subscription,
      listener,
      this.#clock,
      this.#random,
      () => this.#streams.delete(stream),
    );
    this.#streams.add(stream);
    stream.wake();
    return stream;
  }

  #wake(): void {
    for (const stream of this.#streams) stream.wake();
  }
}

class FakeStream implements LogStream {
  readonly #node: FakeNodeLogs;
  readonly #asked: LogSubscription;
  readonly #listener: LogListener;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onOver: () => void;
  /** Where it is in the log; undefined until the engine has opened it. */
  #at: number | undefined;
  #isWhole = false;
  #due = false;
  #paused = false;
  #over = false;

  constructor(
    node: FakeNodeLogs,
    asked: LogSubscription,
    listener: LogListener,
    clock: Clock,
    random: Random,
    onOver: () => void,
  ) {
    this.#node = node;
    this.#asked = asked;
    this.#listener = listener;
    this.#clock = clock;
    this.#random = random;
    this.#onOver = onOver;
  }

  wake(): void {
    if (this.#due || this.#paused || this.#over) return;
    this.#due = true;
    this.#clock.after(1 + Math.floor(this.#random.next() * delayMsMax), () => {
      this.#due = false;
      if (!this.#paused && !this.#over) this.#step();
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.wake();
  }

  cancel(): void {
    this.#over = true;
    this.#onOver();
  }

  /** The dispatcher dies, or says that the node went away. */
  break(): void {
    if (this.#over) return;
    if (this.#random.next() < 0.5) {
      this.cancel();
      this.#listener.end('14 UNAVAILABLE: Connection dropped');
    } else {
      this.#finish({ broken: true, whole: false }, ['node n disconnected unexpectedly']);
    }
  }

  #step(): void {
    const [taskId = ''] = this.#asked.taskIds;
    const all = this.#node.lines(taskId);
    const reason = this.#node.unreadable.get(taskId);
    if (reason !== undefined) {
      this.#finish({ broken: false, whole: false }, [reason]);
      return;
    }
    if (this.#at === undefined) {
      const { tail, since } = this.#asked;
      this.#at = tail < 0 ? 0 : Math.max(0, all.length - tail);
      this.#isWhole = since === undefined && (tail < 0 || all.length < tail);
      this.#tell([]);
    }
    const [first] = all;
    if (first !== undefined && this.#node.isAway(first.nodeId)) this.break();
    else this.#deliver(this.#at, all);
  }

  #deliver(at: number, all: readonly LogLine[]): void {
    const count = 1 + Math.floor(this.#random.next() * linesMax);
    const part = all.slice(at, at + count);
    this.#at = at + part.length;
    const wanted = part.filter((line) => this.#isInRange(line));
    if (wanted.length > 0) this.#tell(wanted);
    if (this.#over) return;
    if (this.#at < all.length) this.wake();
    else if (!this.#asked.follow || this.#node.isEnded(this.#asked.taskIds[0] ?? ''))
      this.#finish({ broken: false, whole: this.#isWhole }, []);
  }

  #isInRange({ time }: LogLine): boolean {
    const { since, until } = this.#asked;
    if (time === undefined) return true;
    if (since !== undefined && isTimeBefore(time, since)) return false;
    return until === undefined || !isTimeBefore(until, time);
  }

  #tell(lines: LogLine[], gaps: string[] = [], end: LogEnd | undefined = undefined): void {
    this.#listener.lines({ subscriptionId: this.#asked.id, lines, gaps, end });
  }

  #finish(end: LogEnd, gaps: string[]): void {
    this.#tell([], gaps, end);
    if (this.#over) return;
    this.cancel();
    this.#listener.end('');
  }
}
