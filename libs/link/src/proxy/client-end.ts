import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';

/** Longest wait for an answer to begin once its client has ended its writing, milliseconds. */
const unansweredMsMax = 60_000;

/** Calls back once the client has ended its writing, unless it has its answer by then. It has left, or only says no more. */
export function whenEnded(
  { socket }: IncomingMessage,
  response: ServerResponse,
  ended: () => void,
): void {
  if (socket.readableEnded) {
    ended();
    return;
  }
  socket.once('end', ended);
  response.once('close', () => socket.off('end', ended));
}

/** Closes on a client that ended its writing long ago and has no answer yet: nothing else tells that it has left. */
export function boundUnanswered(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: ClientRequest,
  msMax = unansweredMsMax,
): void {
  let answered = false;
  whenEnded(request, response, () => {
    if (!answered) response.setTimeout(msMax, () => response.destroy());
  });
  upstream.once('response', () => {
    answered = true;
    response.setTimeout(0);
  });
}
