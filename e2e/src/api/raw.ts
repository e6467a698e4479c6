import { connect, type Socket } from 'node:net';
import { eventually } from '../host/wait.ts';

const endOfHead = '\r\n\r\n';

/** The first part of an answer. */
export interface RawHead {
  /** `HTTP/1.1 200 OK` */
  readonly status: string;
  /** As they came, in order, the names in small letters. */
  readonly headers: ReadonlyMap<string, string>;
}

/** One connection to a unix socket on which nothing is done for us: bytes out, bytes in, either end's end. */
export class RawConnection {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #failure: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    socket.on('end', () => {
      this.#ended = true;
    });
    socket.on('error', (error) => {
      this.#failure = error;
    });
  }

  static open(path: string): RawConnection {
    return new RawConnection(connect({ path, allowHalfOpen: true }));
  }

  /** Sends the head of a request, and a body of JSON if there is one. */
  request(method: string, path: string, options: RequestOptions = {}): void {
    const { body, headers = {}, upgrade = false } = options;
    const lines = [
      `${method} ${path} HTTP/1.1`,
      'Host: docker',
      ...(upgrade ? ['Connection: Upgrade', 'Upgrade: tcp'] : ['Connection: close']),
      ...(body === undefined ? [] : ['Content-Type: application/json']),
      ...(method === 'POST' || body !== undefined
        ? [`Content-Length: ${Buffer.byteLength(body ?? '')}`]
        : []),
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    this.write(`${lines.join('\r\n')}${endOfHead}${body ?? ''}`);
  }

  write(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  /** Ends our direction; the other one stays open. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The head of the answer, which is taken away from what was received. */
  async head(): Promise<RawHead> {
    const length = await this.#wait('the head of the answer', () => {
      const at = this.#received.indexOf(endOfHead);
      return at === -1 ? undefined : at;
    });
    const [status = '', ...lines] = this.#received.subarray(0, length).toString().split('\r\n');
    this.#received = this.#received.subarray(length + endOfHead.length);
    const headers = lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    });
    return { status, headers: new Map(headers) };
  }

  /** What came after the head so far, once it holds `text`. */
  async until(text: string): Promise<Buffer> {
    await this.#wait(`"${text}" is received`, () => this.#received.includes(text));
    return this.#received;
  }

  /** All that comes, once the other side has ended. */
  async rest(): Promise<Buffer> {
    await this.#wait('the other side ends', () => this.#ended);
    return this.#received;
  }

  #wait<T>(what: string, condition: () => T | undefined | false): Promise<T> {
    return eventually(what, () => {
      const value = condition();
      if ((value === undefined || value === false) && this.#failure !== undefined)
        throw this.#failure;
      return value;
    });
  }
}

export interface RequestOptions {
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Asks for a connection of its own, as attach and exec do. */
  readonly upgrade?: boolean;
}

/** What both directions of a container say, by stream, out of the engine's frames. */
export function streamsOf(frames: Buffer): { readonly stdout: Buffer; readonly stderr: Buffer } {
  const parts: { readonly stream: number; readonly bytes: Buffer }[] = [];
  for (let at = 0; at < frames.length; ) {
    const length = frames.readUInt32BE(at + 4);
    parts.push({ stream: frames[at] ?? 0, bytes: frames.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  const of = (wanted: number): Buffer =>
    Buffer.concat(parts.filter(({ stream }) => stream === wanted).map(({ bytes }) => bytes));
  return { stdout: of(1), stderr: of(2) };
}

/** The body of an answer in chunks. */
export function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.subarray(at, end).toString(), 16);
    if (length === 0) break;
    parts.push(body.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  return Buffer.concat(parts);
}
