/** Bytes of the length before each message. */
const lengthBytes = 4;

/** What goes before a sealed message of so many bytes. */
export function frameHead(bytes: number): Uint8Array {
  const head = Buffer.alloc(lengthBytes);
  head.writeUInt32BE(bytes);
  return head;
}

/** Cuts a stream into its sealed messages. */
export class FrameSplitter {
  #chunks: Buffer[] = [];
  #held = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
  }

  /** The next message that is whole; `too-long` when it has more than `bytesMax`: the stream is no good. */
  next(bytesMax: number): Buffer | 'too-long' | undefined {
    if (this.#held < lengthBytes) return undefined;
    const length = this.#first(lengthBytes).readUInt32BE();
    if (length > bytesMax) return 'too-long';
    const end = lengthBytes + length;
    if (this.#held < end) return undefined;
    const first = this.#first(end);
    const rest = first.subarray(end);
    this.#chunks.splice(0, 1, ...(rest.length === 0 ? [] : [rest]));
    this.#held -= end;
    return first.subarray(lengthBytes, end);
  }

  /** The first chunk, made so long that it holds `bytes`. */
  #first(bytes: number): Buffer {
    const [first] = this.#chunks;
    if (first !== undefined && first.length >= bytes) return first;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }
}
