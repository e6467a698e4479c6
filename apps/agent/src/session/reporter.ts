import type { TaskStatuses, TaskStatusReport } from '@shoal/proto';
import type { TaskStatus } from '@shoal/state';

/** Messages that may be unacknowledged at a time; what comes meanwhile is summed up. */
export const messagesInFlightMax = 2;
/** Reports in one message. */
const reportsPerMessageMax = 1_000;
/** Statuses in one message, bytes: a dispatcher takes 4 MiB. */
export const reportsBytesMax = 1 << 20;
/** How long a status may wait for those that soon follow it, milliseconds. */
export const holdMsMax = 400;

/**
 * Which statuses the dispatcher still has to hear: of each task the newest, until it was acknowledged
 * in the session in which it was sent. Every message becomes an entry of the log that all replicas
 * apply, so a status that others soon follow is held; any other goes at once, and takes along what waits.
 */
export class Reporter {
  /** Statuses to send, oldest wish first. */
  readonly #waiting = new Map<string, TaskStatus>();
  /** Sent and not acknowledged, by sequence. */
  readonly #sent = new Map<number, ReadonlyMap<string, TaskStatus>>();
  #sequence = 0;
  /** Tasks whose status must not wait. */
  readonly #urgent = new Set<string>();
  /** Whether what waits has waited long enough. */
  #released = false;

  /** Whether everything that waits may still wait, for {@link holdMsMax} at most. */
  get holds(): boolean {
    return this.#waiting.size > 0 && !this.#isDue;
  }

  /** Statuses that the dispatcher has not acknowledged. */
  get pending(): number {
    let sum = this.#waiting.size;
    for (const message of this.#sent.values()) sum += message.size;
    return sum;
  }

  /** `mayWait`: others follow soon, of this task or of another. */
  put(taskId: string, status: TaskStatus, mayWait: boolean): void {
    this.#waiting.set(taskId, status);
    if (mayWait) this.#urgent.delete(taskId);
    else this.#urgent.add(taskId);
  }

  /** What waits has waited long enough. */
  release(): void {
    this.#released = this.#waiting.size > 0;
  }

  /** The next message, if there is something to say now and room to say it. */
  next(): TaskStatuses | undefined {
    if (!this.#isDue || this.#sent.size >= messagesInFlightMax) return undefined;
    const message = new Map<string, TaskStatus>();
    const reports: TaskStatusReport[] = [];
    let bytes = 0;
    for (const [taskId, status] of this.#waiting) {
      const report = { taskId, status: Buffer.from(JSON.stringify(status)) };
      bytes += report.status.length;
      const isFull = reports.length >= reportsPerMessageMax || bytes > reportsBytesMax;
      if (isFull && reports.length > 0) break;
      reports.push(report);
      message.set(taskId, status);
      this.#waiting.delete(taskId);
      this.#urgent.delete(taskId);
    }
    // What did not fit into this message goes into the next.
    this.release();
    this.#sequence += 1;
    this.#sent.set(this.#sequence, message);
    return { sequence: this.#sequence, reports };
  }

  /** Everything up to `sequence` is safe. */
  acknowledged(sequence: number): void {
    for (const sent of this.#sent.keys()) if (sent <= sequence) this.#sent.delete(sent);
  }

  /** A new session: what was not acknowledged is said again, in its newest form. */
  restart(): void {
    // Newest message first: of two reports of a task the later one counts.
    for (const message of [...this.#sent.values()].reverse()) {
      for (const [taskId, status] of message) {
        if (!this.#waiting.has(taskId)) this.#waiting.set(taskId, status);
      }
    }
    this.#sent.clear();
    this.#sequence = 0;
    this.release();
  }

  get #isDue(): boolean {
    return this.#released || this.#urgent.size > 0;
  }
}
