import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { isJsonContentType } from '@shoal/docker-api';
import { refusal } from '../refusal.ts';
import { boundUnanswered, whenEnded } from './client-end.ts';
import { measured, unmeasured, withoutChunks, withoutHopByHop } from './headers.ts';
import type { Upstream } from './upstream.ts';

/** A larger answer passes as it is. */
const mendedBytesMax = 65_536;

export interface Passing {
  /** The target, where it is not that of the request. */
  readonly url?: string;
  /** The body, where it was read already. */
  readonly body?: string;
  /** What a small refusal or JSON is to say to this client; it is read whole first, and others pass as they come. */
  readonly mend?: Mend;
  /** What the body of a good answer becomes on its way, however large it is. */
  readonly change?: Change;
  /** Longest wait for an answer to a client that ended its writing, milliseconds. */
  readonly unansweredMsMax?: number;
}

/** The answer's status, and its body as text. */
export interface PassedAnswer {
  readonly status: number;
  readonly body: string;
}

export type Change = (body: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;
export type Mend = (answer: PassedAnswer) => PassedAnswer;

/** Passes a request on and its answer back, as it comes, with nothing held. */
export async function passRequest(
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
  { url = request.url ?? '/', body, mend, change, unansweredMsMax }: Passing = {},
): Promise<void> {
  let path: string;
  try {
    path = await upstream.path(url);
  } catch (error) {
    return refuse(upstream, response, error);
  }
  if (response.destroyed) return;
  const method = request.method ?? 'GET';
  const headers = withoutHopByHop(request.rawHeaders);
  // HTTP/1.0 asks for none, and the engine, which is asked by 1.1, does.
  if (request.headers.host === undefined) headers.push('Host', 'docker');
  const known = body ?? (hasNoBody(request) ? '' : undefined);
  const sent = known === undefined || isBare(method, known) ? headers : measured(headers, known);
  const passed = upstream.request({ method, path, headers: sent });
  let answered = false;
  boundUnanswered(request, response, passed, unansweredMsMax);
  passed.once('response', (answer) => {
    answered = true;
    // What is made at once is not to suffer by it, but what has no end stops when its reader may have left.
    whenEnded(request, response, () => {
      if (passed.writableFinished) answer.socket.end();
      else passed.once('finish', () => answer.socket.end());
    });
    if (change !== undefined && answer.statusCode === 200) answerChanged(response, answer, change);
    else if (mend === undefined || !isMendable(answer)) answerWith(response, answer);
    else answerMended(response, answer, mend);
  });
  passed.on('error', (error) => {
    request.unpipe(passed);
    if (answered) response.destroy();
    else refuse(upstream, response, error);
  });
  response.on('close', () => {
    // A client that left is waited for by nobody. One that was answered early may read only when it has sent all.
    passed.destroy();
    request.unpipe(passed);
    request.resume();
  });
  request.on('error', () => passed.destroy());
  send(passed, request, body);
}

/** By RFC 9112, section 6.3. */
function hasNoBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] === undefined && headers['transfer-encoding'] === undefined;
}

/** Requests of these methods are taken to have no body where nothing is said of one; others would be sent in chunks. */
function isBare(method: string, body: string): boolean {
  return body === '' && ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'].includes(method);
}

function send(passed: ClientRequest, request: IncomingMessage, body: string | undefined): void {
  if (body === undefined) request.pipe(passed);
  else passed.end(body);
}

function answerWith(response: ServerResponse, answer: IncomingMessage): void {
  response.sendDate = false;
  response.writeHead(
    answer.statusCode ?? 502,
    answer.statusMessage ?? '',
    readableBy(response, withoutHopByHop(answer.rawHeaders)),
  );
  response.flushHeaders();
  // An answer that breaks off must not look whole: the client's connection breaks too.
  answer.on('error', () => response.destroy());
  answer.on('aborted', () => response.destroy());
  answer.pipe(response);
}

/** Chunks are of HTTP/1.1: to older clients an answer ends with its connection. */
function readableBy(response: ServerResponse, headers: string[]): string[] {
  return response.req.httpVersion === '1.0' ? withoutChunks(headers) : headers;
}

/** What the engine has measured, and is small, is measured anew; else its length is not known before its end. */
function answerChanged(response: ServerResponse, answer: IncomingMessage, change: Change): void {
  response.sendDate = false;
  const headers = withoutHopByHop(answer.rawHeaders);
  const length = Number(answer.headers['content-length'] ?? Number.NaN);
  if (length <= mendedBytesMax) {
    wholeOf(change(answer)).then(
      (body) => {
        const told = body.length === length ? headers : measured(headers, body);
        response.writeHead(200, answer.statusMessage ?? '', told).end(body);
      },
      () => response.destroy(),
    );
    return;
  }
  response.writeHead(200, answer.statusMessage ?? '', unmeasured(headers));
  response.flushHeaders();
  pipeline(answer, change, response, (error) => {
    if (error) response.destroy();
  });
}

async function wholeOf(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const whole: Buffer[] = [];
  for await (const piece of pieces) whole.push(piece);
  return Buffer.concat(whole);
}

/** A refusal, or JSON. Anything else may be a stream, which is passed on while it is made. */
function isMendable({ statusCode = 502, headers }: IncomingMessage): boolean {
  return statusCode >= 400 || isJsonContentType(headers['content-type'] ?? '');
}

/** Reads as much as is mended; what is larger goes on as it came. */
function answerMended(response: ServerResponse, answer: IncomingMessage, mend: Mend): void {
  const told: Buffer[] = [];
  let bytes = 0;
  const take = (chunk: Buffer): void => {
    told.push(chunk);
    bytes += chunk.length;
    if (bytes <= mendedBytesMax) return;
    answer.off('data', take).off('end', whole).pause();
    answer.unshift(Buffer.concat(told));
    answerWith(response, answer);
  };
  const whole = (): void => {
    const body = Buffer.concat(told).toString('utf8');
    const status = answer.statusCode ?? 502;
    const mended = mend({ status, body });
    const headers = withoutHopByHop(answer.rawHeaders);
    response.sendDate = false;
    // What says the same passes with its own length, or with none: a 304 has no body to measure.
    if (mended.status === status && mended.body === body)
      response
        .writeHead(status, answer.statusMessage ?? '', readableBy(response, headers))
        .end(Buffer.concat(told));
    else response.writeHead(mended.status, measured(headers, mended.body)).end(mended.body);
  };
  answer.on('data', take).once('end', whole);
  answer.on('error', () => response.destroy());
  answer.on('aborted', () => response.destroy());
}

/** Answers in Docker's shape when there is nobody to pass it on to. */
function refuse(upstream: Upstream, response: ServerResponse, error: unknown): void {
  const { status, message } = upstream.failure(error);
  refusal(response, status, message);
}
