/** A time to the nanosecond. */
export interface Moment {
  readonly seconds: number;
  readonly nanos: number;
}

/** Which lines of a container are wanted. */
export interface LogRequest {
  readonly follow: boolean;
  /** Lines from the end; -1 means all. */
  readonly tail: number;
  readonly since?: Moment | undefined;
  readonly until?: Moment | undefined;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** One line with its newline (the last one of a container may lack it). */
export interface LogRecord {
  readonly stream: 'stdout' | 'stderr';
  readonly time: Moment | undefined;
  readonly data: Buffer;
}

/** A longer line is cut into several records, bytes. */
export const lineBytesMax = 1 << 20;
/** A frame that claims to be longer is not one of the engine's, bytes. */
const frameBytesMax = 16 << 20;
const headerBytes = 8;
const newline = 0x0a;
const space = 0x20;

/** `2026-11-21T05:51:28.797592576Z`; undefined when it is not such a time. */
export function parseMoment(text: string): Moment | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const millis = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(millis)) return undefined;
  return { seconds: millis / 1_000, nanos: Number((match[2] ?? '').padEnd(9, '0')) };
}

/** The engine's form of a time: seconds with nine decimals. */
export function formatMoment({ seconds, nanos }: Moment): string {
  return `${seconds}.${String(nanos).padStart(9, '0')}`;
}

interface Partial {
  time: Moment | undefined;
  parts: Buffer[];
  bytes: number;
}

/** Cuts what the engine sends into lines. Lines that the engine had to split are put together again. */
export class LogReader {
  readonly #tty: boolean;
  #rest: Buffer = Buffer.alloc(0);
  readonly #partial = new Map<LogRecord['stream'], Partial>();

  constructor(tty: boolean) {
    this.#tty = tty;
  }

  /** @throws when the bytes are not a log stream. */
  push(chunk: Buffer): LogRecord[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    return this.#tty ? this.#lines() : this.#frames();
  }

  /** What is left when the stream has ended. */
  end(): LogRecord[] {
    const records: LogRecord[] = [];
    if (this.#tty && this.#rest.length > 0) records.push(...this.#text('stdout', this.#rest));
    this.#rest = Buffer.alloc(0);
    for (const [stream, partial] of this.#partial) {
      records.push({ stream, time: partial.time, data: Buffer.concat(partial.parts) });
    }
    this.#partial.clear();
    return records;
  }

  #lines(): LogRecord[] {
    const records: LogRecord[] = [];
    let from = 0;
    for (
      let at = this.#rest.indexOf(newline, from);
      at >= 0;
      at = this.#rest.indexOf(newline, from)
    ) {
      records.push(...this.#text('stdout', this.#rest.subarray(from, at + 1)));
      from = at + 1;
    }
    this.#rest = this.#rest.subarray(from);
    if (this.#rest.length > lineBytesMax) {
      records.push(...this.#text('stdout', this.#rest));
      this.#rest = Buffer.alloc(0);
    }
    return records;
  }

  #frames(): LogRecord[] {
    const records: LogRecord[] = [];
    let from = 0;
    while (this.#rest.length - from >= headerBytes) {
      const type = this.#rest[from];
      const length = this.#rest.readUInt32BE(from + 4);
      if ((type !== 1 && type !== 2) || length > frameBytesMax) {
        throw new Error(`not a log frame: type ${type}, ${length} bytes`);
      }
      const end = from + headerBytes + length;
      if (this.#rest.length < end) break;
      const stream = type === 1 ? 'stdout' : 'stderr';
      records.push(...this.#text(stream, this.#rest.subarray(from + headerBytes, end)));
      from = end;
    }
    this.#rest = this.#rest.subarray(from);
    return records;
  }

  /** One piece of text with its time in front. */
  #text(stream: LogRecord['stream'], text: Buffer): LogRecord[] {
    const at = text.indexOf(space);
    const time = at > 0 ? parseMoment(text.toString('latin1', 0, Math.min(at, 40))) : undefined;
    const data = time === undefined ? text : text.subarray(at + 1);
    const before = this.#partial.get(stream);
    const partial: Partial = before ?? { time, parts: [], bytes: 0 };
    partial.parts.push(data);
    partial.bytes += data.length;
    if (data.at(-1) !== newline && partial.bytes < lineBytesMax) {
      this.#partial.set(stream, partial);
      return [];
    }
    this.#partial.delete(stream);
    return [{ stream, time: partial.time, data: Buffer.concat(partial.parts) }];
  }
}
