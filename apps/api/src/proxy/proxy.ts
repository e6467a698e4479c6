import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorMessage } from '@shoal/runtime';
import { type Engine, EngineAwayError } from './engine.ts';

/** Largest body of a request that asks for an upgrade, such as the options of an exec. */
const upgradeBodyBytesMax = 4 * 1024 * 1024;
/** How a body is told from what follows it. */
const framing = new Set(['content-length', 'transfer-encoding']);
/** These belong to one connection and are made anew for the other. */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade']);

/** Passes a request to the engine and its answer back, as it comes, with nothing held. */
export function proxyRequest(
  engine: Engine,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  return pass(engine, request, response, request.url ?? '/', (upstream) => request.pipe(upstream));
}

/** The same for a request whose body was read already. */
export function sendToEngine(
  engine: Engine,
  request: IncomingMessage,
  response: ServerResponse,
  read: { readonly url: string; readonly body: string },
): Promise<void> {
  const { url, body } = read;
  return pass(engine, request, response, url, (upstream) => upstream.end(body), body);
}

async function pass(
  engine: Engine,
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
  send: (upstream: ClientRequest) => unknown,
  body?: string,
): Promise<void> {
  let path: string;
  try {
    path = await engine.path(url);
  } catch (error) {
    return refuse(response, error);
  }
  const headers = withoutHopByHop(request.rawHeaders);
  const sent = body === undefined ? headers : measured(headers, body);
  const upstream = engine.request({ method: request.method ?? 'GET', path, headers: sent });
  let answered = false;
  upstream.once('response', (answer) => {
    answered = true;
    response.sendDate = false;
    response.writeHead(
      answer.statusCode ?? 502,
      answer.statusMessage ?? '',
      withoutHopByHop(answer.rawHeaders),
    );
    response.flushHeaders();
    // An answer that breaks off must not look whole: the client's connection breaks too.
    answer.on('error', () => response.destroy());
    answer.on('aborted', () => response.destroy());
    answer.pipe(response);
  });
  upstream.on('error', (error) => {
    engine.forget();
    request.unpipe(upstream);
    if (answered) response.destroy();
    else refuse(response, engine.away(error));
  });
  // A client that left is waited for by nobody.
  response.on('close', () => upstream.destroy());
  request.on('error', () => upstream.destroy());
  send(upstream);
}

/** Answers in Docker's shape when the engine is not there. */
function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = JSON.stringify({ message: errorMessage(error) });
  const status = error instanceof EngineAwayError ? 503 : 500;
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${body}\n`);
}

/** With the length of a body that may be another one than the client measured. */
function measured(headers: readonly string[], body: string): string[] {
  const kept = headers.filter((_, at) => !framing.has(headers[at - (at % 2)]?.toLowerCase() ?? ''));
  return [...kept, 'Content-Length', String(Buffer.byteLength(body))];
}

function withoutHopByHop(raw: readonly string[]): string[] {
  const headers: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? '';
    if (!hopByHop.has(name.toLowerCase())) headers.push(name, raw[at + 1] ?? '');
  }
  return headers;
}

/**
 * Passes a request that asks for another protocol (attach, exec, session) and then the bytes of both
 * directions. When one side ends its writing, so does the other, and reading goes on.
 */
export async function proxyUpgrade(
  engine: Engine,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
): Promise<void> {
  client.on('error', () => client.destroy());
  let body: { readonly whole: Buffer; readonly rest: Buffer };
  let path: string;
  try {
    body = await readBody(request, client, head);
    path = await engine.path(request.url ?? '/');
  } catch (error) {
    return refuseUpgrade(client, error);
  }
  const upstream = engine.request({
    method: request.method ?? 'POST',
    path,
    headers: [...request.rawHeaders],
  });
  client.once('close', () => upstream.destroy());
  upstream.on('error', (error) => {
    engine.forget();
    refuseUpgrade(client, engine.away(error));
  });
  upstream.once('upgrade', (answer, socket, first) => {
    client.write(headOf(answer, answer.rawHeaders));
    if (first.length > 0) client.write(first);
    if (body.rest.length > 0) socket.write(body.rest);
    join(client, socket);
  });
  upstream.once('response', (answer) => {
    // No upgrade: one plain answer, and the connection ends with it.
    const headers = [...withoutHopByHop(answer.rawHeaders), 'Connection', 'close'];
    client.write(
      headOf(
        answer,
        headers.filter((_, at) => !isChunked(headers, at)),
      ),
    );
    answer.pipe(client);
  });
  upstream.end(body.whole.length > 0 ? body.whole : undefined);
}

/** Chunks are taken apart on the way, so the header that announces them goes. */
function isChunked(headers: readonly string[], at: number): boolean {
  return headers[at - (at % 2)]?.toLowerCase() === 'transfer-encoding';
}

function headOf(answer: IncomingMessage, headers: readonly string[]): string {
  let head = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2)
    head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${head}\r\n`;
}

function join(client: Duplex, engine: Duplex): void {
  client.pipe(engine);
  engine.pipe(client);
  for (const [one, other] of [
    [client, engine],
    [engine, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => {
      // Closed without an end: the other side must not wait for one.
      if (!one.readableEnded) other.destroy();
    });
  }
}

/** The declared body of the request; what follows it belongs to the other protocol. */
async function readBody(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
): Promise<{ readonly whole: Buffer; readonly rest: Buffer }> {
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

function refuseUpgrade(client: Duplex, error: unknown): void {
  if (client.destroyed || client.writableEnded) return;
  const status = error instanceof EngineAwayError ? '503 Service Unavailable' : '400 Bad Request';
  const body = `${JSON.stringify({ message: errorMessage(error) })}\n`;
  client.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
