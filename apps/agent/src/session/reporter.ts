import type { TaskStatuses } from '@shoal/proto';
import type { TaskStatus } from '@shoal/state';

/** Messages that may be unacknowledged at a time; what comes meanwhile is summed up. */
export const messagesInFlightMax = 2;
/** Reports in one message. */
export const reportsPerMessageMax = 1_000;

/**
 * Which statuses the dispatcher still has to hear: of each task the newest, until it was acknowledged
 * in the session in which it was sent.
 */
export class Reporter {
  /** Statuses to send, oldest wish first. */
  readonly #waiting = new Map<string, TaskStatus>();
  /** Sent and not acknowledged, by sequence. */
  readonly #sent = new Map<number, ReadonlyMap<string, TaskStatus>>();
  #sequence = 0;

  /** Statuses that the dispatcher has not acknowledged. */
  get pending(): number {
    let sum = this.#waiting.size;
    for (const message of this.#sent.values()) sum += message.size;
    return sum;
  }

  put(taskId: string, status: TaskStatus): void {
    this.#waiting.set(taskId, status);
  }

  /** The next message, if there is something to say and room to say it. */
  next(): TaskStatuses | undefined {
    if (this.#waiting.size === 0 || this.#sent.size >= messagesInFlightMax) return undefined;
    const message = new Map<string, TaskStatus>();
    for (const [taskId, status] of this.#waiting) {
      if (message.size >= reportsPerMessageMax) break;
      message.set(taskId, status);
      this.#waiting.delete(taskId);
    }
    this.#sequence += 1;
    this.#sent.set(this.#sequence, message);
    return {
      sequence: this.#sequence,
      reports: [...message].map(([taskId, status]) => ({
        taskId,
        status: Buffer.from(JSON.stringify(status)),
      })),
    };
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
  }
}
