import { type DispatcherClient, type LogLine, LogStream, type LogSubscription } from '@shoal/proto';
import { errorMessage, type Logger } from '@shoal/runtime';
import type { Engine } from '../executor/engine.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { LogRecord, LogRequest } from './records.ts';

/** Lines of one message; fewer when they are long. */
const linesPerMessageMax = 512;
/** Bytes of one message, so that little waits in buffers. */
const messageBytesMax = 256 << 10;

export interface LogPublisherOptions {
  readonly nodeId: string;
  readonly engine: Engine;
  /** Name of the container of a task; undefined when this node does not have it. */
  readonly container: (taskId: string) => string | undefined;
  readonly logger: Logger;
  readonly metrics: AgentMetrics;
}

/** Answers log subscriptions: reads from the engine as fast as the dispatcher takes it. */
export class LogPublisher {
  readonly #options: LogPublisherOptions;
  readonly #open = new Map<string, AbortController>();

  constructor(options: LogPublisherOptions) {
    this.#options = options;
  }

  publish(client: DispatcherClient, subscription: LogSubscription): void {
    if (this.#open.has(subscription.id)) return;
    const abort = new AbortController();
    this.#open.set(subscription.id, abort);
    void this.#publish(client, subscription, abort).finally(() => {
      this.#open.delete(subscription.id);
    });
  }

  cancel(id: string): void {
    this.#open.get(id)?.abort();
  }

  /** The session has ended, and with it the ways its subscriptions came. */
  cancelAll(): void {
    for (const abort of this.#open.values()) abort.abort();
  }

  async #publish(
    client: DispatcherClient,
    subscription: LogSubscription,
    abort: AbortController,
  ): Promise<void> {
    const call = client.publishLogs((error) => {
      if (error !== null) abort.abort();
    });
    call.on('error', () => abort.abort());
    const send = async (lines: LogLine[], gaps: string[] = []): Promise<void> => {
      this.#options.metrics.logLines(lines.length);
      if (call.write({ subscriptionId: subscription.id, lines, gaps })) return;
      await new Promise<void>((resolve) => {
        call.once('drain', resolve);
        abort.signal.addEventListener('abort', () => resolve(), { once: true });
      });
    };
    // The first message tells the dispatcher whose stream this is.
    await send([]);
    await Promise.all(
      subscription.taskIds.map((taskId) => this.#task(taskId, subscription, abort.signal, send)),
    );
    if (abort.signal.aborted) call.cancel();
    else call.end();
  }

  async #task(
    taskId: string,
    subscription: LogSubscription,
    signal: AbortSignal,
    send: (lines: LogLine[], gaps?: string[]) => Promise<void>,
  ): Promise<void> {
    const container = this.#options.container(taskId);
    // Neither the task nor its container are here any more: then there are no lines either.
    if (container === undefined) return;
    const records = await this.#options.engine.logs(container, requestOf(subscription), signal);
    if (signal.aborted) return;
    if (records.kind === 'failed') {
      // A task that never got a container has said nothing.
      if (records.failure.kind === 'not-found') return;
      return send([], [`task ${taskId}: ${records.failure.message}`]);
    }
    try {
      await this.#lines(taskId, records.value, signal, send);
    } catch (error) {
      if (!signal.aborted) await send([], [`task ${taskId}: ${errorMessage(error)}`]);
    }
  }

  async #lines(
    taskId: string,
    records: AsyncIterable<LogRecord>,
    signal: AbortSignal,
    send: (lines: LogLine[]) => Promise<void>,
  ): Promise<void> {
    let lines: LogLine[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      if (lines.length === 0) return;
      const full = lines;
      lines = [];
      bytes = 0;
      await send(full);
    };
    const pending = records[Symbol.asyncIterator]();
    let next = pending.next();
    for (;;) {
      // What has come is sent as soon as nothing more is at hand.
      const idle = Symbol('idle');
      const soon = new Promise<typeof idle>((resolve) => setImmediate(resolve, idle));
      if ((await Promise.race([next, soon])) === idle) await flush();
      const { done, value } = await next;
      if (done === true || signal.aborted) break;
      lines.push(lineOf(taskId, this.#options.nodeId, value));
      bytes += value.data.length;
      if (lines.length >= linesPerMessageMax || bytes >= messageBytesMax) await flush();
      next = pending.next();
    }
    await flush();
  }
}

function requestOf(subscription: LogSubscription): LogRequest {
  const { follow, tail, since, until, stdout, stderr } = subscription;
  return { follow, tail, since, until, stdout, stderr };
}

function lineOf(taskId: string, nodeId: string, record: LogRecord): LogLine {
  const stream = record.stream === 'stdout' ? LogStream.STDOUT : LogStream.STDERR;
  return { taskId, nodeId, stream, time: record.time, data: record.data };
}
