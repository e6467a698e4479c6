import {
  type LogOptions,
  logContentType,
  logGapWarning,
  logLine,
  logPrefix,
  nanoTime,
  parseLogOptions,
} from '@shoal/docker-api';
import { whenEnded } from '@shoal/link/proxy';
import { LogStream } from '@shoal/proto';
import type { Clock } from '@shoal/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { arrivalOf, queryOf } from '../http/exchange.ts';
import { routedHeaders } from '../http/headers.ts';
import type { LogFormat } from './chunks.ts';
import type { LogSubject } from './log-follower.ts';

/** Answers with the log; the head goes out at once, lines as they come. @throws ApiError before that */
export async function sendLogs(
  context: ApiContext,
  manager: Manager,
  request: FastifyRequest,
  reply: FastifyReply,
  subject: LogSubject & { readonly revision: number },
): Promise<FastifyReply> {
  const options = parseLogOptions(queryOf(request));
  const { serviceId, revision } = subject;
  const template = manager.replica.view.revisions.of(serviceId, revision)?.spec.TaskTemplate;
  const tty = template?.ContainerSpec.TTY === true;
  reply.hijack();
  const { raw } = reply;
  // Its close has been told already: nobody would stop the follower.
  if (raw.destroyed) return reply;
  const contentType = logContentType(arrivalOf(request).version, tty);
  raw.writeHead(200, { ...routedHeaders, 'content-type': contentType });
  raw.flushHeaders();
  const follower = context.logs.follow(manager, {
    subject,
    options,
    format: logFormat(serviceId, options, tty, context.clock),
    sink: { write: (bytes) => raw.write(bytes), end: () => raw.end() },
  });
  raw.on('drain', () => follower.drained());
  raw.on('close', () => follower.stop());
  raw.on('error', () => follower.stop());
  // As for Go's server: who waits for what has no end, and ends, has left.
  const left = (): void => {
    follower.stop();
    raw.end();
  };
  if (options.follow) whenEnded(request.raw, raw, left);
  if (!raw.writableEnded) follower.start();
  return reply;
}

/** Lines as this client wants them; a terminal's are sent as they are. */
export function logFormat(
  serviceId: string,
  options: LogOptions,
  tty: boolean,
  clock: Clock,
): LogFormat {
  const { stdout, stderr, timestamps, details } = options;
  return {
    key: [stdout, stderr, timestamps, details, tty].map(Number).join(''),
    frame({ stream, time, nodeId, taskId, attributes, data }) {
      const isError = stream === LogStream.STDERR;
      if (!(isError ? stderr : stdout)) return undefined;
      const origin = { nodeId, serviceId, taskId };
      const prefix = logPrefix(time ?? { seconds: 0, nanos: 0 }, origin, attributes, options);
      return logLine(tty ? undefined : isError ? 'stderr' : 'stdout', prefix, data);
    },
    gap(reason, { id, nodeId }) {
      const origin = { nodeId, serviceId, taskId: id };
      const prefix = logPrefix(nanoTime(clock.now()), origin, '', options);
      return logLine(tty ? undefined : 'stderr', prefix, Buffer.from(logGapWarning([reason])));
    },
  };
}
