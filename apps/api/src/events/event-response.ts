import { ApiError, parseFilters, parseTime, type SwarmEvent } from '@shoal/docker-api';
import { boundUnanswered, whenEnded } from '@shoal/link/proxy';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiContext } from '../context.ts';
import { arrivalOf, queryOf } from '../http/exchange.ts';
import { routedHeaders } from '../http/headers.ts';
import { MergedEvents } from './merged-events.ts';

const newline = 0x0a;
/** Longest line of the engine's stream that is passed on whole. */
const lineBytesMax = 1024 * 1024;
/** What waits for a client that does not read; beyond that it is dropped, as by the engine. */
const backlogBytesMax = 8 * 1024 * 1024;

/** The engine's events with the swarm's among them, one JSON object a line. @throws ApiError */
export async function sendEvents(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const query = queryOf(request);
  const filters = parseFilters(query['filters']);
  const since = parseTime(query['since'] ?? '');
  const until = parseTime(query['until'] ?? '');
  const path = await context.engine.path(arrivalOf(request).url);
  const { raw } = reply;
  // Who left meanwhile does not close again.
  if (raw.destroyed) return reply.hijack();
  const send = (line: string | Buffer): void => {
    if (raw.writableLength > backlogBytesMax) raw.destroy();
    else raw.write(line);
  };
  const merged = new MergedEvents(context.clock, send);
  const tell = (event: SwarmEvent): void => merged.tell(event);
  // Without a time only what comes is told, as by the engine.
  const isPastWanted = since !== undefined || until !== undefined;
  for (const event of isPastWanted ? context.events.past(since, until, filters) : []) tell(event);
  const unwatch = context.events.watch(filters, tell);
  if (unwatch === undefined) throw new ApiError(503, 'too many clients watch events');
  reply.hijack();
  const upstream = context.engine.request({ method: 'GET', path, headers: { host: 'docker' } });
  raw.on('close', () => {
    unwatch();
    merged.stop();
    upstream.destroy();
  });
  raw.on('error', () => raw.destroy());
  boundUnanswered(request.raw, raw, upstream);
  upstream.once('response', (answer) => {
    const status = answer.statusCode ?? 502;
    raw.writeHead(status, { ...routedHeaders, 'content-type': 'application/json' });
    raw.flushHeaders();
    // The engine ends its events then.
    whenEnded(request.raw, raw, () => answer.socket.end());
    const isRefused = status !== 200;
    if (!isRefused) merged.begin(isPastWanted);
    const passOn = lines(isRefused ? send : (whole) => merged.passOn(whole));
    answer.on('data', passOn);
    answer.on('end', () => {
      if (!isRefused) merged.pastOver();
      // Who reads slowly still has some of it to come: nothing may be written after its end.
      unwatch();
      raw.end();
    });
    answer.on('error', () => raw.destroy());
  });
  upstream.on('error', (error) => {
    unwatch();
    if (raw.headersSent) {
      raw.destroy();
      return;
    }
    const { message } = context.engine.away(error);
    raw
      .writeHead(503, { ...routedHeaders, 'content-type': 'application/json' })
      .end(`${JSON.stringify({ message })}\n`);
  });
  upstream.end();
  return reply;
}

/** Passes on whole lines, so that two sources never cut into each other's. */
function lines(send: (line: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(newline) + 1;
    if (end > 0) send(bytes.subarray(0, end));
    rest = Buffer.from(bytes.subarray(end));
    if (rest.length > lineBytesMax) rest = Buffer.alloc(0);
  };
}
