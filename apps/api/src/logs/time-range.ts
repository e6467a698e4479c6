import { isTimeBefore, type NanoTime } from '@shoal/docker-api';
import type { LogLine } from '@shoal/proto';

/** The times of the lines that a client wants; both ends belong to it. */
export class TimeRange {
  readonly #since: NanoTime | undefined;
  #until: NanoTime | undefined;
  /** The beginning lies before what comes. */
  #begun: boolean;

  constructor(since: NanoTime | undefined, until: NanoTime | undefined) {
    this.#since = since;
    this.#until = until;
    this.#begun = since === undefined;
  }

  get until(): NanoTime | undefined {
    return this.#until;
  }

  endAt(until: NanoTime): void {
    this.#until = until;
  }

  /** All that comes from now on is wanted. */
  get isOpen(): boolean {
    return this.#begun && this.#until === undefined;
  }

  /** Lines come in the order of their times. */
  came(line: Pick<LogLine, 'time'> | undefined): void {
    if (this.#since === undefined || line === undefined) return;
    if (line.time !== undefined && !isTimeBefore(line.time, this.#since)) this.#begun = true;
  }

  /** A line without a time is never left out. */
  has({ time }: Pick<LogLine, 'time'>): boolean {
    if (time === undefined) return true;
    if (this.#since !== undefined && isTimeBefore(time, this.#since)) return false;
    return this.#until === undefined || !isTimeBefore(this.#until, time);
  }
}
