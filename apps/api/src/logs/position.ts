import { isTimeBefore, type NanoTime } from '@shoal/docker-api';

/**
 * Runs of equal times that are remembered. The two streams of a container are stamped apart from each
 * other, so that lines may be out of order: by less than this many.
 */
const runsMax = 32;

/** Before every line. */
export const firstTime: NanoTime = { seconds: 0, nanos: 0 };

/** How the lines of one log are told apart: by time, and by how many of the same time came before. */
export interface LineMark {
  readonly time: NanoTime;
  /** 0 for the first. */
  readonly nth: number;
}

/** Neighbouring lines of the same time. */
interface Run {
  readonly time: NanoTime;
  /** Lines of the same time before this run. */
  readonly before: number;
  count: number;
}

export function isSameTime(a: NanoTime, b: NanoTime): boolean {
  return a.seconds === b.seconds && a.nanos === b.nanos;
}

/** Whether a line comes before another one, if their times tell. */
export function isBefore(a: LineMark, b: LineMark): boolean {
  return isTimeBefore(a.time, b.time) || (isSameTime(a.time, b.time) && a.nth < b.nth);
}

/** Up to where a log was read: the engine can be asked from a time on only, and times may be equal. */
export class LogPosition {
  #runs: Run[] = [];
  #newest: NanoTime = firstTime;
  /** The newest time of all that was forgotten, and how many of those lines had it. */
  #past: { readonly time: NanoTime; count: number } | undefined;

  /** The line that was read last; undefined before the first. */
  get last(): LineMark | undefined {
    const run = this.#runs.at(-1);
    return run === undefined ? undefined : markOf(run);
  }

  /** One more line was read. One without time has that of the line before it. */
  note(stamp: NanoTime | undefined): LineMark {
    const last = this.#runs.at(-1);
    const time = stamp ?? last?.time ?? firstTime;
    if (last !== undefined && isSameTime(last.time, time)) {
      last.count += 1;
      return markOf(last);
    }
    return this.#begin(time, this.#countOf(time));
  }

  /** A line whose place among those of its time is known was read. */
  noteMark({ time, nth }: LineMark): void {
    const last = this.#runs.at(-1);
    if (last === undefined || !isSameTime(last.time, time)) this.#begin(time, nth);
    else last.count = nth + 1 - last.before;
  }

  clear(): void {
    this.#runs = [];
    this.#newest = firstTime;
    this.#past = undefined;
  }

  /**
   * How to read on; undefined when nothing was read. Everything from `floor` on was read; undefined when it
   * is not known from where on that is so.
   */
  resume(floor: NanoTime | undefined): Overlap | undefined {
    const [first] = this.#runs;
    if (first === undefined) return undefined;
    const past = this.#past;
    if (past !== undefined) return new Overlap(past.time, [past, ...this.#runs]);
    if (floor !== undefined) return new Overlap(floor, this.#runs);
    // Lines of the first time that `tail` left out are no new ones, unless all there is has that time.
    const isOneTime = this.#runs.every(({ time }) => isSameTime(time, first.time));
    const since = earliest(first.time, this.#runs);
    return new Overlap(since, this.#runs, isOneTime ? undefined : first.time);
  }

  #begin(time: NanoTime, before: number): LineMark {
    const run: Run = { time, before, count: 1 };
    this.#runs.push(run);
    if (isTimeBefore(this.#newest, time)) this.#newest = time;
    if (this.#runs.length > runsMax) this.#forget();
    return markOf(run);
  }

  #countOf(time: NanoTime): number {
    if (isTimeBefore(this.#newest, time)) return 0;
    const run = this.#runs.findLast((each) => isSameTime(each.time, time));
    if (run !== undefined) return run.before + run.count;
    return this.#past !== undefined && isSameTime(this.#past.time, time) ? this.#past.count : 0;
  }

  #forget(): void {
    const oldest = this.#runs.shift();
    if (oldest === undefined) return;
    const { time, before, count } = oldest;
    if (this.#past !== undefined && isTimeBefore(time, this.#past.time)) return;
    this.#past = { time, count: before + count };
  }
}

function markOf({ time, before, count }: Run): LineMark {
  return { time, nth: before + count - 1 };
}

function earliest(first: NanoTime, runs: readonly Run[]): NanoTime {
  return runs.reduce((least, { time }) => (isTimeBefore(time, least) ? time : least), first);
}

/** Tells the lines that were read before from new ones, when a log is read again from `since` on. */
class Overlap {
  readonly since: NanoTime;
  /** Lines that were read, by their time. */
  #had: { readonly time: NanoTime; left: number }[] = [];
  readonly #cutAt: NanoTime | undefined;
  #time: NanoTime | undefined;

  /**
   * `had`: what was read; nothing else is at or after `since`, but for lines of the time `cutAt` that came
   * before those that were read.
   */
  constructor(
    since: NanoTime,
    had: readonly { readonly time: NanoTime; readonly before?: number; readonly count: number }[],
    cutAt?: NanoTime,
  ) {
    this.since = since;
    this.#cutAt = cutAt;
    for (const { time, before = 0, count } of had) {
      if (isTimeBefore(time, since)) continue;
      const same = this.#had.find((each) => isSameTime(each.time, time));
      if (same === undefined) this.#had.push({ time, left: before + count });
      else same.left = Math.max(same.left, before + count);
    }
  }

  /** Of each line in order. What was read may be gone from the log meanwhile. */
  isNew(stamp: NanoTime | undefined): boolean {
    const time = stamp ?? this.#time ?? this.since;
    this.#time = time;
    if (this.#had.length === 0) return true;
    if (isTimeBefore(time, this.since)) return false;
    if (this.#cutAt !== undefined && isSameTime(time, this.#cutAt)) return false;
    const same = this.#had.find((each) => isSameTime(each.time, time));
    if (same === undefined) return true;
    same.left -= 1;
    if (same.left === 0) this.#had = this.#had.filter((each) => each !== same);
    return false;
  }
}
