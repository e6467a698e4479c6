import { invariant } from '@shoal/runtime';

/** A message's length goes before it, highest byte first. */
export const lengthBytes = 4;
/** Largest message: an entry of the largest size with room for what goes along. */
export const messageBytesMax = 4 * 1024 * 1024;

/** The messages as they travel, each behind its length. */
export function framesOf(messages: readonly Uint8Array[]): Buffer {
  const bytes = messages.reduce((sum, message) => sum + lengthBytes + message.length, 0);
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const message of messages) {
    at = frames.writeUInt32BE(message.length, at);
    frames.set(message, at);
    at += message.length;
  }
  return frames;
}

/** Takes a stream of bytes apart into messages, however the bytes come. */
export class FrameReader {
  /** Largest message that is taken. */
  messageBytesMax: number;
  #parts: Buffer[] = [];
  /** Bytes of the first part that were read. */
  #at = 0;
  #bytes = 0;
  /** With fewer unread bytes there is no message to be had. */
  #needed = lengthBytes;

  constructor(max: number) {
    this.messageBytesMax = max;
  }

  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
  }

  /**
   * The next message that is complete; it may share memory with what was pushed. Once one is announced that is
   * too large, nothing can be read any more.
   */
  next(): Buffer | 'incomplete' | 'too-large' {
    if (this.#bytes < this.#needed) return 'incomplete';
    const bytes = this.#joined();
    const begin = this.#at + lengthBytes;
    const length = bytes.readUInt32BE(this.#at);
    if (length > this.messageBytesMax) return 'too-large';
    this.#needed = lengthBytes + length;
    if (this.#bytes < this.#needed) return 'incomplete';
    this.#bytes -= this.#needed;
    this.#at += this.#needed;
    this.#needed = lengthBytes;
    if (this.#bytes === 0) {
      this.#parts = [];
      this.#at = 0;
    }
    return bytes.subarray(begin, begin + length);
  }

  #joined(): Buffer {
    const [first, ...others] = this.#parts;
    invariant(first !== undefined, 'there are bytes');
    if (others.length === 0) return first;
    const joined = Buffer.concat([first.subarray(this.#at), ...others]);
    this.#parts = [joined];
    this.#at = 0;
    return joined;
  }
}
