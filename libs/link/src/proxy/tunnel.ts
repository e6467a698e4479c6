import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { refusalBytes } from '../refusal.ts';
import { withoutChunks, withoutHopByHop } from './headers.ts';
import type { Upstream } from './upstream.ts';

/** Largest body of a request that asks for an upgrade, such as the options of an exec. */
const upgradeBodyBytesMax = 4 * 1024 * 1024;

/**
 * Passes on a request that asks for another protocol. When it is accepted the connection becomes a tunnel
 * of bytes in both directions. When one side ends its writing, so does the other, and reading goes on.
 */
export async function passUpgrade(
  upstream: Upstream,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  url = request.url ?? '/',
): Promise<void> {
  client.on('error', () => client.destroy());
  let body: Body;
  let path: string;
  try {
    body = await readBody(request, client, head);
  } catch (error) {
    return refuse(client, 400, error instanceof Error ? error.message : String(error));
  }
  const failed = (error: unknown): void => {
    const { status, message } = upstream.failure(error);
    refuse(client, status, message);
  };
  try {
    path = await upstream.path(url);
  } catch (error) {
    return failed(error);
  }
  if (client.destroyed) return;
  const headers = [...request.rawHeaders];
  const passed = upstream.request({ method: request.method ?? 'POST', path, headers });
  client.once('close', () => passed.destroy());
  passed.on('error', failed);
  passed.once('upgrade', (answer, socket, first) => {
    client.write(headOf(answer, answer.rawHeaders));
    if (first.length > 0) client.write(first);
    if (body.rest.length > 0) socket.write(body.rest);
    join(client, socket);
  });
  passed.once('response', (answer) => {
    // No upgrade: one plain answer, and the connection ends with it. Chunks are taken apart on the way.
    const plain = withoutChunks(withoutHopByHop(answer.rawHeaders));
    client.write(headOf(answer, [...plain, 'Connection', 'close']));
    answer.on('error', () => client.destroy());
    answer.pipe(client);
  });
  passed.end(body.whole.length > 0 ? body.whole : undefined);
}

function headOf(answer: IncomingMessage, headers: readonly string[]): string {
  let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2)
    head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${head}\r\n`;
}

function join(client: Duplex, other: Duplex): void {
  for (const [one, peer] of [
    [client, other],
    [other, client],
  ] as const) {
    one.pipe(peer, { end: false });
    // Not within the read that brought the end: TLS would lose what it has received and not given out yet.
    const ended = (): unknown => setImmediate(() => peer.end());
    if (one.readableEnded) ended();
    else one.once('end', ended);
    one.on('error', () => peer.destroy());
    one.on('close', () => {
      // Closed without an end: the other side must not wait for one.
      if (!one.readableEnded) peer.destroy();
    });
  }
}

interface Body {
  readonly whole: Buffer;
  /** What follows belongs to the other protocol. */
  readonly rest: Buffer;
}

/** The declared body of the request. @throws one sentence for people. */
async function readBody(request: IncomingMessage, client: Duplex, head: Buffer): Promise<Body> {
  const length = Number(request.headers['content-length'] ?? 0);
  if (!Number.isSafeInteger(length) || length < 0 || length > upgradeBodyBytesMax)
    throw new Error('the body of the request is too large');
  let bytes = head;
  while (bytes.length < length) {
    const chunk = await nextChunk(client);
    if (chunk === undefined) throw new Error('the body of the request broke off');
    bytes = Buffer.concat([bytes, chunk]);
  }
  return { whole: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

function nextChunk(stream: Duplex): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const done = (chunk: Buffer | undefined) => (): void => {
      for (const event of ['readable', 'end', 'close'] as const)
        stream.removeListener(event, event === 'readable' ? look : ended);
      resolve(chunk);
    };
    const ended = done(undefined);
    const look = (): void => {
      const chunk: Buffer | null = stream.read() as Buffer | null;
      if (chunk !== null) done(chunk)();
    };
    stream.on('readable', look);
    stream.once('end', ended);
    stream.once('close', ended);
    look();
  });
}

function refuse(client: Duplex, status: number, message: string): void {
  if (client.destroyed || client.writableEnded) return;
  client.end(refusalBytes(status, message));
}
