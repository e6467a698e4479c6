import {
  type LogOptions,
  logContentType,
  logFrame,
  logGapWarning,
  logPayload,
  nanoTime,
  parseLogOptions,
} from '@shoal/docker-api';
import { LogStream } from '@shoal/proto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Manager } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { arrivalOf, queryOf } from '../http/exchange.ts';
import { routedHeaders } from '../http/headers.ts';
import { LogCollector, type LogSubject } from './log-collector.ts';

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
  const contentType = logContentType(arrivalOf(request).version, tty);
  raw.writeHead(200, { ...routedHeaders, 'content-type': contentType });
  raw.flushHeaders();
  const frame = framer(serviceId, options, tty);
  const collector = new LogCollector({
    manager,
    source: context.logs,
    subject,
    options,
    clock: context.clock,
    random: context.random,
    sink: {
      line: (line) => {
        const stream = line.stream === LogStream.STDERR ? 'stderr' : 'stdout';
        const time = line.time ?? { seconds: 0, nanos: 0 };
        return raw.write(frame(stream, line.data, time, line.nodeId, line.taskId));
      },
      gaps: (gaps, task) => {
        const text = Buffer.from(logGapWarning(gaps));
        raw.write(frame('stderr', text, nanoTime(context.clock.now()), task.nodeId, task.id));
      },
      end: () => raw.end(),
    },
  });
  raw.on('drain', () => collector.drained());
  raw.on('close', () => collector.stop());
  raw.on('error', () => collector.stop());
  collector.start();
  return reply;
}

function framer(serviceId: string, options: LogOptions, tty: boolean) {
  return (
    stream: 'stdout' | 'stderr',
    data: Uint8Array,
    time: { readonly seconds: number; readonly nanos: number },
    nodeId: string,
    taskId: string,
  ): Uint8Array => {
    const payload = logPayload(data, time, { nodeId, serviceId, taskId }, options);
    return tty ? payload : logFrame(stream, payload);
  };
}
