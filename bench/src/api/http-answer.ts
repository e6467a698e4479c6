/** The head of an HTTP/1.1 answer. */
export interface Head {
  readonly status: number;
  /** Of the head itself, with the empty line at its end. */
  readonly bytes: number;
  /** Bytes of the body; undefined when it comes in chunks. */
  readonly length: number | undefined;
}

const end = Buffer.from('\r\n\r\n');
const statusAt = 'HTTP/1.1 '.length;

/** Undefined while the head is not whole. */
export function readHead(bytes: Buffer): Head | undefined {
  const at = bytes.indexOf(end);
  if (at < 0) return undefined;
  const text = bytes.toString('latin1', 0, at);
  const status = Number(text.slice(statusAt, statusAt + 3));
  const chunked = /\r\ntransfer-encoding: *chunked/i.test(text);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
  return { status, bytes: at + end.length, length: chunked ? undefined : length };
}

/** Takes the body of one answer, of known length or in chunks, and knows when it is whole. */
export class BodyReader {
  readonly #chunked: boolean;
  readonly #kept: Buffer[] | undefined;
  /** Bytes that are still to come of the body, or of the chunk and the line end behind it. */
  #left: number;
  /** The beginning of a line that tells the size of a chunk. */
  #line = '';
  #last = false;
  bytes = 0;

  constructor({ length }: Pick<Head, 'length'>, keep: boolean) {
    this.#chunked = length === undefined;
    this.#left = length ?? 0;
    this.#kept = keep ? [] : undefined;
  }

  get text(): string {
    return this.#kept === undefined ? '' : Buffer.concat(this.#kept).toString();
  }

  /** True once the body is whole. Nothing may come behind it: there is one request at a time. */
  take(bytes: Buffer): boolean {
    if (this.#chunked) return this.#takeChunks(bytes);
    this.#keep(bytes);
    this.#left -= bytes.length;
    return this.#left <= 0;
  }

  #takeChunks(bytes: Buffer): boolean {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, bytes.length - at);
        // The last two of what is left are the line end.
        const ofChunk = Math.max(0, Math.min(taken, this.#left - 2));
        this.#keep(bytes.subarray(at, at + ofChunk));
        this.#left -= taken;
        at += taken;
        if (this.#left === 0 && this.#last) return true;
        continue;
      }
      const newline = bytes.indexOf(10, at);
      if (newline < 0) {
        this.#line += bytes.toString('latin1', at);
        return false;
      }
      const size = Number.parseInt(this.#line + bytes.toString('latin1', at, newline), 16);
      this.#line = '';
      at = newline + 1;
      this.#left = size + 2;
      this.#last = size === 0;
    }
    return false;
  }

  #keep(bytes: Buffer): void {
    this.bytes += bytes.length;
    this.#kept?.push(bytes);
  }
}
