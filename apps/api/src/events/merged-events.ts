import type { SwarmEvent } from '@shoal/docker-api';
import type { Clock, Timer } from '@shoal/runtime';
import { z } from 'zod';

/** The engine tells its past in one go; after so long a pause it is over, milliseconds. */
export const pastOverMs = 100;
/** The past is over after so long at the latest, milliseconds: a busy engine may never pause. */
export const pastMsMax = 1_000;

const timed = z.object({ timeNano: z.number() });

interface Pending {
  readonly timeNano: number;
  readonly line: string;
}

/**
 * Two streams of events as one: the past of both in the order of time, then everything as it comes. The engine's
 * lines are passed on as they are.
 */
export class MergedEvents {
  readonly #clock: Clock;
  readonly #send: (line: string | Buffer) => void;
  /** Events of the swarm, in order, until the engine's are known to be later. */
  readonly #pending: Pending[] = [];
  #pause: Timer | undefined;
  #end: Timer | undefined;
  #isPast = true;

  constructor(clock: Clock, send: (line: string | Buffer) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** The engine begins to answer, with what is past if that was asked for. */
  begin(isPastWanted: boolean): void {
    if (!isPastWanted) {
      this.pastOver();
      return;
    }
    this.#end = this.#clock.after(pastMsMax, () => this.pastOver());
    this.#wait();
  }

  /** An event of the swarm. */
  tell(event: SwarmEvent): void {
    const line = `${JSON.stringify(event)}\n`;
    if (this.#isPast) this.#pending.push({ timeNano: event.timeNano, line });
    else this.#send(line);
  }

  /** Whole lines of the engine. */
  passOn(lines: Buffer): void {
    if (this.#pending.length > 0) this.#inOrder(lines.toString('utf8'));
    else this.#send(lines);
    if (this.#isPast) this.#wait();
  }

  /** Nothing more comes of the past. */
  pastOver(): void {
    this.stop();
    this.#isPast = false;
    for (const { line } of this.#pending.splice(0)) this.#send(line);
  }

  stop(): void {
    this.#pause?.cancel();
    this.#end?.cancel();
  }

  #wait(): void {
    this.#pause?.cancel();
    this.#pause = this.#clock.after(pastOverMs, () => this.pastOver());
  }

  #inOrder(lines: string): void {
    for (const line of lines.split(/(?<=\n)/)) {
      const at = timeOf(line);
      const later = this.#pending.findIndex(({ timeNano }) => timeNano > at);
      const earlier = this.#pending.splice(0, later < 0 ? this.#pending.length : later);
      for (const pending of earlier) this.#send(pending.line);
      this.#send(line);
    }
  }
}

/** A line without a time, of an engine that is not known, holds nothing up. */
function timeOf(line: string): number {
  try {
    return timed.parse(JSON.parse(line)).timeNano;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
