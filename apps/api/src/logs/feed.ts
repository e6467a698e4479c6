import type { LogLine } from '@shoal/proto';
import type { Clock, Monotonic, Timer } from '@shoal/runtime';
import type { Task } from '@shoal/state';
import { feedTail, namedAfterMs, retryMs, steadyMs } from './limits.ts';
import type { LogStream } from './log-source.ts';
import { firstTime, LogPosition } from './position.ts';
import { LogRing } from './ring.ts';
import type { ReadEnd, Upstream } from './upstream.ts';

/** Who follows a task's log through its feed. */
export interface FeedReader {
  /** The feed has the newest lines of the log, and will have all that come. */
  feedBegun(): void;
  feedGrew(): void;
  /** The node is away, for a while at least; what it has to say will come when it is back. */
  feedLost(reason: string): void;
  /** There will be no more lines; with a reason when not all could be had. */
  feedEnded(reason: string): void;
}

export interface FeedOptions {
  readonly task: Task;
  readonly upstream: Upstream;
  readonly clock: Clock;
  /** Bytes that the newest lines may take. */
  readonly bytesMax: () => number;
  /** The numbers of the lines begin anew. */
  readonly onCleared: () => void;
  /** Nobody follows it any more. */
  readonly onIdle: () => void;
}

/**
 * The newest lines of one task's log, read once for all who follow it. First comes the end of the log as it
 * was, then what is written; after a break it goes on with the line that follows the last one it has.
 */
export class LogFeed {
  readonly task: Task;
  readonly ring = new LogRing();
  readonly #options: FeedOptions;
  readonly #readers = new Set<FeedReader>();
  readonly #position = new LogPosition();
  #stream: LogStream | undefined;
  #begun = false;
  #whole = false;
  #ended: { readonly reason: string } | undefined;
  #failures = 0;
  #lostAt: Monotonic | undefined;
  #lost = '';
  #retry: Timer | undefined;
  #steady: Timer | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.task = options.task;
    this.#open();
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Whether line 0 is the first of the log. */
  get whole(): boolean {
    return this.#whole;
  }

  get ended(): { readonly reason: string } | undefined {
    return this.#ended;
  }

  /** Tells the reader at once what has happened so far. */
  add(reader: FeedReader): void {
    this.#readers.add(reader);
    if (this.#begun) reader.feedBegun();
    if (this.#ended !== undefined) reader.feedEnded(this.#ended.reason);
    else if (this.#lost !== '') reader.feedLost(this.#lost);
  }

  remove(reader: FeedReader): void {
    if (this.#readers.delete(reader) && this.#readers.size === 0) this.#options.onIdle();
  }

  stop(): void {
    this.#retry?.cancel();
    this.#steady?.cancel();
    this.#stream?.cancel();
    this.#readers.clear();
  }

  #open(): void {
    const { upstream } = this.#options;
    const overlap = this.#begun
      ? this.#position.resume(this.#whole ? firstTime : undefined)
      : undefined;
    const range = this.#begun
      ? { follow: true, tail: -1, since: overlap?.since }
      : { follow: false, tail: feedTail };
    this.#stream = upstream.read(this.task, range, {
      lines: (lines) => {
        this.#alive();
        this.#take(overlap === undefined ? lines : lines.filter(({ time }) => overlap.isNew(time)));
      },
      end: (end) => this.#over(end),
    });
  }

  #take(lines: readonly LogLine[]): void {
    if (lines.length === 0) return;
    const bytesMax = this.#options.bytesMax();
    for (const line of lines) this.ring.push({ ...this.#position.note(line.time), line }, bytesMax);
    if (this.#begun) for (const reader of [...this.#readers]) reader.feedGrew();
  }

  /** It counts as good once it has lasted: one that breaks at once would be asked for without pause. */
  #alive(): void {
    this.#steady ??= this.#options.clock.after(steadyMs, () => {
      this.#failures = 0;
      this.#lostAt = undefined;
      this.#lost = '';
    });
  }

  #over(end: ReadEnd): void {
    this.#stream = undefined;
    this.#steady?.cancel();
    this.#steady = undefined;
    if (end.kind === 'broken') this.#broken(end.reason, end.isDown);
    else if (end.reason !== '') this.#finish(end.reason);
    else if (!this.#begun) this.#begin(end.whole);
    // An engine that is restarted ends the logs of containers that may live on.
    else if (this.#options.upstream.hasEnded(this.task.id)) this.#finish('');
    else this.#openLater();
  }

  #begin(whole: boolean): void {
    this.#begun = true;
    this.#whole = whole;
    this.#open();
    for (const reader of [...this.#readers]) reader.feedBegun();
  }

  #broken(reason: string, isDown: boolean): void {
    const { clock, onCleared } = this.#options;
    if (!this.#begun) {
      this.ring.clear();
      this.#position.clear();
      onCleared();
    }
    this.#lostAt ??= clock.monotonic();
    const isLong = clock.monotonic() - this.#lostAt >= namedAfterMs || (isDown && !this.#begun);
    if (isLong && this.#lost === '') {
      this.#lost = reason;
      for (const reader of [...this.#readers]) reader.feedLost(reason);
    }
    this.#openLater();
  }

  #openLater(): void {
    const delayMs = Math.min(retryMs.most, retryMs.first * 2 ** this.#failures);
    this.#failures += 1;
    this.#retry = this.#options.clock.after(delayMs, () => {
      this.#retry = undefined;
      // Nobody knows the task any more: its container is gone, or will be as soon as its node is back.
      if (this.#options.upstream.task(this.task.id) === undefined) this.#finish('');
      else this.#open();
    });
  }

  #finish(reason: string): void {
    this.#ended = { reason };
    for (const reader of [...this.#readers]) reader.feedEnded(reason);
  }
}
