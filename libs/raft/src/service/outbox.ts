/** Messages that wait for one peer; more push out the oldest appends, which are sent again anyway. */
export const outboxMessagesMax = 4_096;
export const outboxBytesMax = 16 * 1024 * 1024;
/** One write takes no more messages once it is this large; one larger message travels alone. */
export const writeBytesTarget = 1024 * 1024;

interface Waiting {
  readonly bytes: Buffer;
  readonly append: boolean;
}

/** What one peer is to be told, in order, bounded. */
export class Outbox {
  #waiting: Waiting[] = [];
  #bytes = 0;
  #dropped = 0;

  get size(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Messages that found no room since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  push(bytes: Buffer, append: boolean): void {
    this.#waiting.push({ bytes, append });
    this.#bytes += bytes.length;
    while (this.#waiting.length > outboxMessagesMax || this.#bytes > outboxBytesMax)
      this.#dropOne();
  }

  /** The messages of the next write. */
  take(): Buffer[] {
    let bytes = 0;
    let end = 0;
    for (const { bytes: message } of this.#waiting) {
      if (end > 0 && bytes + message.length > writeBytesTarget) break;
      bytes += message.length;
      end += 1;
    }
    this.#bytes -= bytes;
    return this.#waiting.splice(0, end).map((waiting) => waiting.bytes);
  }

  /** What was meant for a connection that is gone is out of date. */
  clear(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }

  #dropOne(): void {
    const append = this.#waiting.findIndex((waiting) => waiting.append);
    const [dropped] = this.#waiting.splice(Math.max(append, 0), 1);
    this.#bytes -= dropped?.bytes.length ?? 0;
    this.#dropped += 1;
  }
}
