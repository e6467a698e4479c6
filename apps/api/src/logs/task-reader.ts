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

/** A read of the log for this client alone. */
interface Read {
  readonly stream: LogStream;
  paused: boolean;
}

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
  #feed: LogFeed | undefined;
  /** Number of the line that comes next from the feed; undefined while the log is read from the node. */
  #cursor: number | undefined;
  #joining: Timer | undefined;
  #turns: Turn[] = [];
  #read: Read | undefined;
  /** What the client asked for at first was read: what comes after that is wanted whatever `tail` says. */
  #asked = false;
  /** The log got more since its end was read, and nothing else will tell it. */
  #again = false;
  #parked = false;
  #over = false;
  readonly #failures = new ReadFailures();
  #retry: Timer | undefined;

  constructor(options: TaskReaderOptions) {
    this.#options = options;
    this.#feed = options.feed;
    const { tail, since, until } = options.wanted;
    this.#range = new TimeRange(since, until);
    if (tail < 0) this.#floor = since ?? firstTime;
  }

  get task(): Task {
    return this.#options.task;
  }

  start(): void {
    if (this.#feed === undefined) this.#readLog();
    else this.#feed.add(this);
  }

  stop(): void {
    this.#over = true;
    this.#retry?.cancel();
    this.#leaveFeed();
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
    if (this.#cursor !== undefined) this.#options.output.ready(this);
    else if (this.#joining !== undefined) this.#join();
  }

  feedLost(reason: string): void {
    this.#options.output.gap(reason, this.task);
  }

  feedEnded(reason: string): void {
    if (this.#cursor !== undefined) {
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
    const feed = this.#feed;
    const from = this.#cursor;
    if (feed === undefined || from === undefined) return undefined;
    if (from < feed.ring.first) {
      this.#cursor = undefined;
      this.#options.output.fellBehind();
      this.#readLog();
      return undefined;
    }
    if (from === feed.ring.next) {
      if (feed.ended !== undefined) this.#giveUp(feed.ended.reason);
      return undefined;
    }
    const chunk = this.#chunk(feed, from);
    this.#note(feed.ring, from, chunk.to);
    this.#cursor = chunk.to;
    return chunk;
  }

  /** The client takes lines again. */
  drained(): void {
    if (this.#parked) {
      this.#parked = false;
      this.#readLog();
    } else if (this.#read?.paused === true) {
      this.#read.paused = false;
      this.#read.stream.resume();
    }
  }

  /** The client takes nothing: what is held for it elsewhere is let go. */
  park(): void {
    if (this.#read === undefined) return;
    this.#endRead();
    this.#parked = true;
  }

  get #isReading(): boolean {
    return this.#turns.length > 0 || this.#parked || this.#retry !== undefined;
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

  #leaveFeed(): void {
    this.#joining?.cancel();
    this.#joining = undefined;
    this.#cursor = undefined;
    this.#feed?.remove(this);
    this.#feed = undefined;
  }

  /** Reads what the feed will not tell, or not tell any more, and is done. */
  #readWithoutFeed(): void {
    this.#leaveFeed();
    this.#again = this.#isReading;
    this.#readLog();
  }

  /** Waits for its turn, then reads the log from the node: from where this reader is to the end. */
  #readLog(): void {
    this.#joining?.cancel();
    this.#joining = undefined;
    if (this.#over || this.#isReading) return;
    const { own, all } = this.#options.turns;
    const later = () => this.#yield();
    const ofAll = { begin: () => this.#openRead(), yield: later };
    this.#turns.push(own.take({ begin: () => this.#turns.push(all.take(ofAll)), yield: later }));
  }

  #openRead(): void {
    const { upstream, wanted, output } = this.#options;
    if (output.isBlocked) {
      this.#endRead();
      this.#parked = true;
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
        this.#turns.at(-1)?.count();
        const fresh = overlap ? lines.filter(({ time }) => overlap.isNew(time)) : lines;
        this.#took(fresh, isHidden);
      },
      end: (end) => this.#readEnded(end),
    });
    this.#read = { stream, paused: false };
  }

  #took(lines: readonly LogLine[], isHidden: boolean): void {
    for (const { time } of lines) this.#position.note(time);
    if (lines.length > 0) this.#failures.end();
    if (isHidden || lines.length === 0) return;
    const wanted = lines.filter((line) => this.#range.has(line));
    if (this.#options.output.lines(wanted) || this.#read === undefined) return;
    this.#read.paused = true;
    this.#read.stream.pause();
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
    } else if (this.#feed !== undefined) {
      this.#join();
    } else if (this.#again) {
      this.#again = false;
      this.#readLog();
    } else {
      this.#done();
    }
  }

  /** A follower waits for the node, as its feed does; others are told that lines are missing. */
  #readBroke({ reason, isDown }: Extract<ReadEnd, { kind: 'broken' }>): void {
    const { isLong, delayMs } = this.#failures.add(this.#options.clock.monotonic());
    if ((isDown || isLong) && this.#feed === undefined) this.#giveUp(reason);
    else this.#readLater(delayMs);
  }

  #readLater(delayMs: number): void {
    this.#retry = this.#options.clock.after(delayMs, () => {
      this.#retry = undefined;
      this.#readLog();
    });
  }

  #yield(): void {
    if (this.#read === undefined) return;
    this.#endRead();
    this.#readLog();
  }

  #endRead(): void {
    this.#read?.stream.cancel();
    this.#read = undefined;
    const turns = this.#turns;
    this.#turns = [];
    for (const turn of turns.reverse()) turn.giveBack();
  }

  /** Whether the feed has all that is wanted, so that nothing need be read from the node. */
  #joinWithoutReading(): boolean {
    const feed = this.#feed;
    const { tail, since } = this.#options.wanted;
    if (feed === undefined || this.#asked || this.#position.last !== undefined) return false;
    const { ring } = feed;
    const isWhole = feed.whole && ring.first === 0;
    const kept = ring.next - ring.first;
    // The first one that is here may be the end of a line that the engine had to split.
    if (tail >= 0 && (isWhole || kept > tail))
      return this.#goLive(ring.next - Math.min(tail, kept));
    const oldest = ring.oldest?.time;
    const isSinceHere = since !== undefined && oldest !== undefined && isTimeBefore(oldest, since);
    return tail < 0 && (isWhole || isSinceHere) && this.#goLive(ring.first);
  }

  /** Goes on from the feed with the line after the last one that was read. */
  #join(): void {
    const feed = this.#feed;
    if (feed === undefined) return;
    const { ring } = feed;
    const { last } = this.#position;
    const found = last === undefined ? undefined : ring.find(last);
    if (last === undefined) this.#joinEmpty(feed);
    else if (found !== undefined) this.#goLive(found + 1);
    else if (feed.ended !== undefined) this.#readWithoutFeed();
    else if (ring.oldest !== undefined && isBefore(last, ring.oldest)) this.#readLog();
    // The own read was faster than the feed.
    else this.#joining ??= this.#options.clock.after(joinMsMax, () => this.#joinedNot(feed, last));
  }

  /** The feed has passed the last line without telling it, or does not come that far. */
  #joinedNot({ ring }: LogFeed, last: LineMark): void {
    if (ring.newest === undefined || isBefore(ring.newest, last)) this.#readLog();
    else this.#goLive(ring.after(last.time));
  }

  /** The log had nothing that is wanted when it was read: all of that came later. */
  #joinEmpty({ ring, ended }: LogFeed): void {
    const { since } = this.#options.wanted;
    const oldest = ring.oldest?.time;
    const isSinceHere = since !== undefined && oldest !== undefined && isTimeBefore(oldest, since);
    if (ring.first === 0 || isSinceHere) this.#goLive(ring.first);
    else if (ended !== undefined) this.#readWithoutFeed();
    else this.#readLater(retryMs.first);
  }

  #goLive(from: number): true {
    this.#joining?.cancel();
    this.#joining = undefined;
    this.#asked = true;
    const ring = this.#feed?.ring;
    if (this.#position.last === undefined && ring !== undefined) this.#note(ring, ring.first, from);
    this.#cursor = from;
    this.#options.output.ready(this);
    return true;
  }
}
