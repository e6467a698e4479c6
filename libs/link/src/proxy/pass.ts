import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { refusal } from '../refusal.ts';
import { measured, withoutHopByHop } from './headers.ts';
import type { Upstream } from './upstream.ts';

export interface Passing {
  /** The target, where it is not that of the request. */
  readonly url?: string;
  /** The body, where it was read already. */
  readonly body?: string;
  /** Sees the answer before any of it goes to the client. It may listen to its data, and must not hold it. */
  readonly seen?: (answer: IncomingMessage) => void;
}

/** Passes a request on and its answer back, as it comes, with nothing held. */
export async function passRequest(
  upstream: Upstream,
  request: IncomingMessage,
  response: ServerResponse,
  { url = request.url ?? '/', body, seen }: Passing = {},
): Promise<void> {
  let path: string;
  try {
    path = await upstream.path(url);
  } catch (error) {
    return refuse(upstream, response, error);
  }
  if (response.destroyed) return;
  const headers = withoutHopByHop(request.rawHeaders);
  const sent = body === undefined ? headers : measured(headers, body);
  const passed = upstream.request({ method: request.method ?? 'GET', path, headers: sent });
  let answered = false;
  passed.once('response', (answer) => {
    answered = true;
    seen?.(answer);
    answerWith(response, answer);
  });
  passed.on('error', (error) => {
    request.unpipe(passed);
    if (answered) response.destroy();
    else refuse(upstream, response, error);
  });
  // A client that left is waited for by nobody.
  response.on('close', () => passed.destroy());
  request.on('error', () => passed.destroy());
  send(passed, request, body);
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
    withoutHopByHop(answer.rawHeaders),
  );
  response.flushHeaders();
  // An answer that breaks off must not look whole: the client's connection breaks too.
  answer.on('error', () => response.destroy());
  answer.on('aborted', () => response.destroy());
  answer.pipe(response);
}

/** Answers in Docker's shape when there is nobody to pass it on to. */
function refuse(upstream: Upstream, response: ServerResponse, error: unknown): void {
  const { status, message } = upstream.failure(error);
  refusal(response, status, message);
}
