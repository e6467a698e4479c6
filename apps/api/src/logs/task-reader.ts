import { isTimeBefore, type NanoTime } from '@shoal/docker-api';
import type { LogLine } from '@shoal/proto';
import type { Clock, Timer } from '@shoal/runtime';
import type { Task } from '@shoal/state';
import { type Chunk, type Chunks, chunkOf, type LogFormat } from './chunks.ts';
import type { FeedReader, LogFeed } from './feed.ts';
import { joinMsMax, retryMs } from './limits.ts';
import type { LogStream } from './log-source.ts';
import { firstTime, isBefore, type LineMark, LogPosition } from './position.ts';
import { ReadFailures } from './read-failures.ts';
import type { LogRing } from './ring.ts';
import { TimeRange } from './time-range.ts';
import type { Turn, Turns } from './turns.ts';
import type { ReadEnd, Upstream } from './upstream.ts';

/** The lines of a task that a client wants. */
export interface Wanted {
  /** Lines from the end; -1 for all. */
  readonly tail: number;
  readonly since: NanoTime | undefined;
  readonly until: NanoTime | undefined;
}

/** Where a reader's lines go: to one client. */
export interface ReaderOutput {
  readonly format: LogFormat;
  /** The client is slow: no read is begun for it. */
  readonly isBlocked: boolean;
  /** False when the client is slow: the reader pauses until `drained`. */
  lines(lines: readonly LogLine[]): boolean;
  /** The feed has lines for `pull`. */
  ready(reader: TaskReader): void;
  gap(reason: string, task: Task): void;
  /** Called once: nothing more comes from this reader. */
  done(reader: TaskReader): void;
  fellBehind(): void;
}

export interface TaskReaderOptions {
  readonly task: Task;
  readonly wanted: Wanted;
  /** Absent: the log is read to its end once. */
  readonly feed: LogFeed | undefined;
  readonly upstream: Upstream;
  readonly chunks: Chunks;
  /** Reads of this client, and those of all clients. */
  readonly turns: { readonly own: Turns; readonly all: Turns };
  readonly output: ReaderOutput;
  readonly clock: Clock;
}

/** The log as it is read from the node, for this client alone. */
type Reading =
  | { readonly kind: 'none' }
  /** For its turn among the client's reads, then for that among all. */
  | { readonly kind: 'waiting'; readonly turns: readonly Turn[] }
  | {
      readonly kind: 'open';
      readonly turns: readonly Turn[];
      readonly stream: LogStream;
      readonly isPaused: boolean;
    }
  /** The client takes nothing, and is to say when it does. */
  | { readonly kind: 'parked' }
  /** The node is asked again after a pause. */
  | { readonly kind: 'later'; readonly retry: Timer };

/** Where the reader stands with its feed. */
type Following =
  /** `isAgain`: the log got more since its end was read, and nothing else will tell it. */
  | { readonly kind: 'none'; readonly isAgain: boolean }
  /** What comes first is read from the node. */
  | { readonly kind: 'behind'; readonly feed: LogFeed }
  /** The own read was faster: the feed has to come that far. */
  | { readonly kind: 'joining'; readonly feed: LogFeed; readonly patience: Timer }
  /** `next` is the number of the line that comes next. */
  | { readonly kind: 'live'; readonly feed: LogFeed; readonly next: number };

/**
 * The log of one task for one client: what was written before is read from the node, at the client's pace;
 * then it goes on from the feed. A client that is too slow for the feed reads again from the node, from the
 * line on that follows its last one.
 */
export class TaskReader implements FeedReader {
  readonly #options: TaskReaderOptions;
  readonly #position = new LogPosition();
  /** From here on all lines were had; undefined where `tail` cut them. */
  #floor: NanoTime | undefined;
  readonly #range: TimeRange;
  #following: Following;
  #reading: Reading = { kind: 'none' };
  /** What the client asked for at first was read: what comes after that is wanted whatever `tail` says. */
  #asked = false;
  #over = false;
  readonly #failures = new ReadFailures();

  constructor(options: TaskReaderOptions) {
    this.#options = options;
    const { feed, wanted } = options;
    this.#following =
      feed === undefined ? { kind: 'none', isAgain: false } : { kind: 'behind', feed };
    const { tail, since, until } = wanted;
    this.#range = new TimeRange(since, until);
    if (tail < 0) this.#floor = since ?? firstTime;
  }

  get task(): Task {
    return this.#options.task;
  }

  start(): void {
    if (this.#following.kind === 'none') this.#readLog();
    else this.#following.feed.add(this);
  }

  stop(): void {
    this.#over = true;
    this.#leaveFeed(false);
    this.#endRead();
  }

  /** No longer follows: reads what the log has up to that time, and is done. */
  finishAt(until: NanoTime): void {
    if (this.#over) return;
    this.#range.endAt(until);
    this.#readWithoutFeed();
  }

  feedBegun(): void {
    if (!this.#joinWithoutReading()) this.#readLog();
  }

  feedGrew(): void {
    if (this.#following.kind === 'live') this.#options.output.ready(this);
    else if (this.#following.kind === 'joining') this.#join(this.#following);
  }

  feedLost(reason: string): void {
    this.#options.output.gap(reason, this.task);
  }

  feedEnded(reason: string): void {
    if (this.#following.kind === 'live') {
      this.#options.output.ready(this);
    } else if (reason !== '') {
      this.#giveUp(reason);
    } else {
      // What the own read has not come to yet is in the log, and nothing will be added.
      this.#readWithoutFeed();
    }
  }

  /** The next lines from the feed; undefined when there are none. */
  pull(): Chunk | undefined {
    if (this.#following.kind !== 'live') return undefined;
    const { feed, next } = this.#following;
    if (next < feed.ring.first) {
      this.#following = { kind: 'behind', feed };
      this.#options.output.fellBehind();
      this.#readLog();
      return undefined;
    }
    if (next === feed.ring.next) {
      if (feed.ended !== undefined) this.#giveUp(feed.ended.reason);
      return undefined;
    }
    const chunk = this.#chunk(feed, next);
    this.#note(feed.ring, next, chunk.to);
    this.#following = { kind: 'live', feed, next: chunk.to };
    return chunk;
  }

  /** The client takes lines again. */
  drained(): void {
    const reading = this.#reading;
    if (reading.kind === 'parked') {
      this.#reading = { kind: 'none' };
      this.#readLog();
    } else if (reading.kind === 'open' && reading.isPaused) {
      this.#reading = { ...reading, isPaused: false };
      reading.stream.resume();
    }
  }

  /** The client takes nothing: what is held for it elsewhere is let go. */
  park(): void {
    if (this.#reading.kind !== 'open') return;
    this.#endRead();
    this.#reading = { kind: 'parked' };
  }

  #chunk(feed: LogFeed, from: number): Chunk {
    const { chunks, output } = this.#options;
    if (this.#range.isOpen) return chunks.take(feed.task.id, feed.ring, from, output.format);
    const chunk = chunkOf(feed.ring, from, output.format, (line) => this.#range.has(line));
    this.#range.came(feed.ring.at(chunk.to - 1));
    return chunk;
  }

  #note(ring: LogRing, from: number, to: number): void {
    for (let number = from; number < to; number += 1) {
      const line = ring.at(number);
      if (line !== undefined) this.#position.noteMark(line);
    }
  }

  /** Done, with or without a reason why not all lines came. */
  #giveUp(reason: string): void {
    if (reason !== '') this.#options.output.gap(reason, this.task);
    this.#done();
  }

  #done(): void {
    if (this.#over) return;
    this.stop();
    this.#options.output.done(this);
  }

  #leaveFeed(isAgain: boolean): void {
    const before = this.#following;
    this.#following = { kind: 'none', isAgain };
    if (before.kind === 'joining') before.patience.cancel();
    if (before.kind !== 'none') before.feed.remove(this);
  }

  /** Reads what the feed will not tell, or not tell any more, and is done. */
  #readWithoutFeed(): void {
    this.#leaveFeed(this.#reading.kind !== 'none');
    this.#readLog();
  }

  /** Waits for its turn, then reads the log from the node: from where this reader is to the end. */
  #readLog(): void {
    if (this.#following.kind === 'joining') {
      this.#following.patience.cancel();
      this.#following = { kind: 'behind', feed: this.#following.feed };
    }
    if (this.#over || this.#reading.kind !== 'none') return;
    const { own, all } = this.#options.turns;
    const turns: Turn[] = [];
    const later = () => this.#yield();
    const ofAll = { begin: () => this.#openRead(turns), yield: later };
    this.#reading = { kind: 'waiting', turns };
    turns.push(own.take({ begin: () => turns.push(all.take(ofAll)), yield: later }));
  }

  #openRead(turns: readonly Turn[]): void {
    const { upstream, wanted, output } = this.#options;
    if (output.isBlocked) {
      this.#endRead();
      this.#reading = { kind: 'parked' };
      return;
    }
    const overlap = this.#position.resume(this.#floor);
    const isFirst = overlap === undefined && !this.#asked;
    // Where a follower of new lines begins is the last old one: it is read, and not shown.
    const isHidden = isFirst && wanted.tail === 0;
    const tail = isHidden ? 1 : isFirst ? wanted.tail : -1;
    const range = {
      follow: false,
      tail,
      since: isHidden ? undefined : (overlap?.since ?? wanted.since),
      until: this.#range.until,
    };
    const stream = upstream.read(this.task, range, {
      lines: (lines) => {
        turns.at(-1)?.count();
        const fresh = overlap ? lines.filter(({ time }) => overlap.isNew(time)) : lines;
        this.#took(fresh, isHidden);
      },
      end: (end) => this.#readEnded(end),
    });
    this.#reading = { kind: 'open', turns, stream, isPaused: false };
  }

  #took(lines: readonly LogLine[], isHidden: boolean): void {
    for (const { time } of lines) this.#position.note(time);
    if (lines.length > 0) this.#failures.end();
    if (isHidden || lines.length === 0) return;
    const wanted = lines.filter((line) => this.#range.has(line));
    if (this.#options.output.lines(wanted) || this.#reading.kind !== 'open') return;
    this.#reading.stream.pause();
    this.#reading = { ...this.#reading, isPaused: true };
  }

  #readEnded(end: ReadEnd): void {
    this.#endRead();
    if (end.kind === 'broken') {
      this.#readBroke(end);
      return;
    }
    this.#asked = true;
    this.#failures.end();
    if (end.reason !== '') {
      this.#giveUp(end.reason);
    } else if (this.#following.kind !== 'none') {
      this.#join(this.#following);
    } else if (this.#following.isAgain) {
      this.#following = { kind: 'none', isAgain: false };
      this.#readLog();
    } else {
      this.#done();
    }
  }

  /** A follower waits for the node, as its feed does; others are told that lines are missing. */
  #readBroke({ reason, isDown }: Extract<ReadEnd, { kind: 'broken' }>): void {
    const { isLong, delayMs } = this.#failures.add(this.#options.clock.monotonic());
    if ((isDown || isLong) && this.#following.kind === 'none') this.#giveUp(reason);
    else this.#readLater(delayMs);
  }

  #readLater(delayMs: number): void {
    const retry = this.#options.clock.after(delayMs, () => {
      this.#reading = { kind: 'none' };
      this.#readLog();
    });
    this.#reading = { kind: 'later', retry };
  }

  #yield(): void {
    if (this.#reading.kind !== 'open') return;
    this.#endRead();
    this.#readLog();
  }

  #endRead(): void {
    const before = this.#reading;
    this.#reading = { kind: 'none' };
    if (before.kind === 'later') before.retry.cancel();
    if (before.kind === 'open') before.stream.cancel();
    if (before.kind === 'open' || before.kind === 'waiting')
      for (const turn of before.turns.toReversed()) turn.giveBack();
  }

  /** Whether the feed has all that is wanted, so that nothing need be read from the node. */
  #joinWithoutReading(): boolean {
    const following = this.#following;
    const { tail, since } = this.#options.wanted;
    if (following.kind === 'none' || this.#asked || this.#position.last !== undefined) return false;
    const { feed } = following;
    const { ring } = feed;
    const isWhole = feed.whole && ring.first === 0;
    const kept = ring.next - ring.first;
    // The first one that is here may be the end of a line that the engine had to split.
    if (tail >= 0 && (isWhole || kept > tail))
      return this.#goLive(feed, ring.next - Math.min(tail, kept));
    const oldest = ring.oldest?.time;
    const isSinceHere = since !== undefined && oldest !== undefined && isTimeBefore(oldest, since);
    return tail < 0 && (isWhole || isSinceHere) && this.#goLive(feed, ring.first);
  }

  /** Goes on from the feed with the line after the last one that was read. */
  #join(following: Exclude<Following, { kind: 'none' }>): void {
    const { feed } = following;
    const { ring } = feed;
    const { last } = this.#position;
    const found = last === undefined ? undefined : ring.find(last);
    if (last === undefined) this.#joinEmpty(feed);
    else if (found !== undefined) this.#goLive(feed, found + 1);
    else if (feed.ended !== undefined) this.#readWithoutFeed();
    else if (ring.oldest !== undefined && isBefore(last, ring.oldest)) this.#readLog();
    // The own read was faster than the feed.
    else if (following.kind !== 'joining') {
      const patience = this.#options.clock.after(joinMsMax, () => this.#joinedNot(feed, last));
      this.#following = { kind: 'joining', feed, patience };
    }
  }

  /** The feed has passed the last line without telling it, or does not come that far. */
  #joinedNot(feed: LogFeed, last: LineMark): void {
    const { ring } = feed;
    if (ring.newest === undefined || isBefore(ring.newest, last)) this.#readLog();
    else this.#goLive(feed, ring.after(last.time));
  }

  /** The log had nothing that is wanted when it was read: all of that came later. */
  #joinEmpty(feed: LogFeed): void {
    const { ring, ended } = feed;
    const { since } = this.#options.wanted;
    const oldest = ring.oldest?.time;
    const isSinceHere = since !== undefined && oldest !== undefined && isTimeBefore(oldest, since);
    if (ring.first === 0 || isSinceHere) this.#goLive(feed, ring.first);
    else if (ended !== undefined) this.#readWithoutFeed();
    else this.#readLater(retryMs.first);
  }

  #goLive(feed: LogFeed, next: number): true {
    if (this.#following.kind === 'joining') this.#following.patience.cancel();
    this.#asked = true;
    const { ring } = feed;
    if (this.#position.last === undefined) this.#note(ring, ring.first, next);
    this.#following = { kind: 'live', feed, next };
    this.#options.output.ready(this);
    return true;
  }
}
