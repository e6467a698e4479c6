import { isTimeBefore, type NanoTime } from '@shoal/docker-api';
import type { LogLine } from '@shoal/proto';
import { isSameTime, type LineMark } from './position.ts';

/** What a line costs beside its text, bytes. */
const lineOverheadBytes = 256;
/** Lines that were given up are cut off the list when they are so many. */
const compactEvery = 256;

export interface RingLine extends LineMark {
  readonly line: LogLine;
}

/** The newest lines of one log, numbered from 0 on. The oldest are given up when it is full. */
export class LogRing {
  #lines: RingLine[] = [];
  /** Lines at the begin of the list that were given up. */
  #gone = 0;
  #first = 0;
  #bytes = 0;

  /** Number of the oldest line that is here; that of the next one when there is none. */
  get first(): number {
    return this.#first;
  }

  /** Number of the line that comes next. */
  get next(): number {
    return this.#first + this.#lines.length - this.#gone;
  }

  get oldest(): RingLine | undefined {
    return this.#lines[this.#gone];
  }

  get newest(): RingLine | undefined {
    return this.next === this.#first ? undefined : this.#lines.at(-1);
  }

  at(number: number): RingLine | undefined {
    return number < this.#first ? undefined : this.#lines[this.#gone + number - this.#first];
  }

  /** The newest line stays in any case. */
  push(line: RingLine, bytesMax: number): void {
    this.#lines.push(line);
    this.#bytes += sizeOf(line);
    while (this.#bytes > bytesMax && this.next - this.#first > 1) this.#giveUp();
    if (this.#gone < compactEvery) return;
    this.#lines = this.#lines.slice(this.#gone);
    this.#gone = 0;
  }

  clear(): void {
    this.#lines = [];
    this.#gone = 0;
    this.#first = 0;
    this.#bytes = 0;
  }

  /** Number of that line; undefined when it is not here. */
  find({ time, nth }: LineMark): number | undefined {
    for (let number = this.next - 1; number >= this.#first; number -= 1) {
      const line = this.at(number);
      if (line !== undefined && line.nth === nth && isSameTime(line.time, time)) return number;
    }
    return undefined;
  }

  /** Number of the line that follows all of this time or older. */
  after(time: NanoTime): number {
    for (let number = this.next - 1; number >= this.#first; number -= 1) {
      const line = this.at(number);
      if (line !== undefined && !isTimeBefore(time, line.time)) return number + 1;
    }
    return this.#first;
  }

  #giveUp(): void {
    const oldest = this.#lines[this.#gone];
    if (oldest === undefined) return;
    this.#bytes -= sizeOf(oldest);
    this.#gone += 1;
    this.#first += 1;
  }
}

function sizeOf({ line }: RingLine): number {
  return line.data.length + line.attributes.length + lineOverheadBytes;
}
