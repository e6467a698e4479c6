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
  /** What the log driver noted of the container: `k=v,k=v`, escaped as in a URL. */
  readonly attributes: string;
  readonly data: Buffer;
}

/** Lines that came together. */
export interface LogBatch {
  readonly records: readonly LogRecord[];
  /** Messages of the engine so far: a long line takes several, and `tail` counts these. */
  readonly messages: number;
}

/** The engine could not read on; its own words. */
export class LogReadError extends Error {}

/** A longer line is cut into several records, bytes. */
export const lineBytesMax = 1 << 20;
/** A frame that claims to be longer is not one of the engine's, bytes. */
const frameBytesMax = 16 << 20;
/** The engine puts so much text into one message of its log, bytes. */
const messageBytesMax = 16 << 10;
/** A time is not longer. */
const stampCharsMax = 40;
const headerBytes = 8;
/** Frames of this type hold what went wrong. */
const systemType = 3;
const newline = 0x0a;
const space = 0x20;

/** The last second that was read: the times of a log lie close to each other. */
let lastSecond = { text: '', seconds: 0 };
const secondChars = '2026-11-21T05:51:28'.length;

/** `2026-11-21T05:51:28.797592576Z`; undefined when it is not such a time. */
export function parseMoment(text: string): Moment | undefined {
  if (lastSecond.text !== '' && text.startsWith(lastSecond.text)) {
    const rest = text.slice(secondChars);
    if (/^\.\d{9}Z$/.test(rest))
      return { seconds: lastSecond.seconds, nanos: Number(rest.slice(1, -1)) };
  }
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null) return undefined;
  const [, second = '', fraction = '', zone = ''] = match;
  const millis = Date.parse(`${second}${zone}`);
  if (Number.isNaN(millis)) return undefined;
  if (zone === 'Z') lastSecond = { text: second, seconds: millis / 1_000 };
  return { seconds: millis / 1_000, nanos: Number(fraction.padEnd(9, '0')) };
}

/** The engine's form of a time: seconds with nine decimals. */
export function formatMoment({ seconds, nanos }: Moment): string {
  return `${seconds}.${String(nanos).padStart(9, '0')}`;
}

/** A message of the engine's log. */
interface Message {
  readonly time: Moment | undefined;
  readonly attributes: string;
  readonly data: Buffer;
}

interface Unfinished {
  readonly time: Moment | undefined;
  readonly attributes: string;
  readonly parts: Buffer[];
  bytes: number;
}

/** Cuts what the engine sends into lines. Lines that the engine had to split are put together again. */
export class LogReader {
  readonly #tty: boolean;
  #rest: Buffer = Buffer.alloc(0);
  #messages = 0;
  readonly #unfinished = new Map<LogRecord['stream'], Unfinished>();

  constructor(tty: boolean) {
    this.#tty = tty;
  }

  /** @throws when the bytes are not a log stream, or say that the engine cannot read on. */
  push(chunk: Buffer): LogBatch {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    return { records: this.#tty ? this.#lines() : this.#frames(), messages: this.#messages };
  }

  /** What is left when the stream has ended. */
  end(): LogBatch {
    const records: LogRecord[] = [];
    if (this.#tty && this.#rest.length > 0) records.push(...this.#terminal(this.#rest));
    this.#rest = Buffer.alloc(0);
    for (const [stream, unfinished] of this.#unfinished) records.push(whole(stream, unfinished));
    this.#unfinished.clear();
    return { records, messages: this.#messages };
  }

  #lines(): LogRecord[] {
    const records: LogRecord[] = [];
    let from = 0;
    for (
      let at = this.#rest.indexOf(newline, from);
      at >= 0;
      at = this.#rest.indexOf(newline, from)
    ) {
      records.push(...this.#terminal(this.#rest.subarray(from, at + 1)));
      from = at + 1;
    }
    this.#rest = this.#rest.subarray(from);
    if (this.#rest.length > lineBytesMax) {
      records.push(...this.#terminal(this.#rest));
      this.#rest = Buffer.alloc(0);
    }
    return records;
  }

  /**
   * A terminal's messages stand one after the other without frames. Those of one line all begin with the
   * same time and attributes, and all but the last are full.
   */
  #terminal(line: Buffer): LogRecord[] {
    const { time, attributes, data } = parseMessage(line);
    const prefix = line.subarray(0, line.length - data.length);
    const parts: Buffer[] = [];
    let rest = data;
    this.#messages += 1;
    while (prefix.length > 0 && startsWith(rest.subarray(messageBytesMax), prefix)) {
      parts.push(rest.subarray(0, messageBytesMax));
      rest = rest.subarray(messageBytesMax + prefix.length);
      this.#messages += 1;
    }
    parts.push(rest);
    return [{ stream: 'stdout', time, attributes, data: Buffer.concat(parts) }];
  }

  #frames(): LogRecord[] {
    const records: LogRecord[] = [];
    let from = 0;
    while (this.#rest.length - from >= headerBytes) {
      const type = this.#rest[from] ?? 0;
      const length = this.#rest.readUInt32BE(from + 4);
      if (type < 1 || type > systemType || length > frameBytesMax)
        throw new LogReadError(`not a log frame: type ${type}, ${length} bytes`);
      const end = from + headerBytes + length;
      if (this.#rest.length < end) break;
      const payload = this.#rest.subarray(from + headerBytes, end);
      if (type === systemType) throw new LogReadError(payload.toString().trim());
      const record = this.#message(type === 1 ? 'stdout' : 'stderr', payload);
      if (record !== undefined) records.push(record);
      from = end;
    }
    this.#rest = this.#rest.subarray(from);
    return records;
  }

  #message(stream: LogRecord['stream'], payload: Buffer): LogRecord | undefined {
    this.#messages += 1;
    const { time, attributes, data } = parseMessage(payload);
    const before = this.#unfinished.get(stream);
    const isLast = data.at(-1) === newline;
    if (before === undefined && isLast) return { stream, time, attributes, data };
    const unfinished = before ?? { time, attributes, parts: [], bytes: 0 };
    unfinished.parts.push(data);
    unfinished.bytes += data.length;
    if (!isLast && unfinished.bytes < lineBytesMax) {
      this.#unfinished.set(stream, unfinished);
      return undefined;
    }
    this.#unfinished.delete(stream);
    return whole(stream, unfinished);
  }
}

function whole(stream: LogRecord['stream'], { time, attributes, parts }: Unfinished): LogRecord {
  return { stream, time, attributes, data: Buffer.concat(parts) };
}

/** `<time> <attributes> <text>`; what does not begin so is all text. */
function parseMessage(payload: Buffer): Message {
  const stampEnd = payload.subarray(0, stampCharsMax).indexOf(space);
  const time = stampEnd > 0 ? parseMoment(payload.toString('latin1', 0, stampEnd)) : undefined;
  const attributesEnd = payload.indexOf(space, stampEnd + 1);
  if (time === undefined || attributesEnd < 0)
    return { time: undefined, attributes: '', data: payload };
  const attributes = payload.toString('latin1', stampEnd + 1, attributesEnd);
  return { time, attributes, data: payload.subarray(attributesEnd + 1) };
}

function startsWith(bytes: Buffer, prefix: Buffer): boolean {
  return (
    bytes.length >= prefix.length && bytes.compare(prefix, 0, prefix.length, 0, prefix.length) === 0
  );
}
