import type { ClientWritableStream } from '@grpc/grpc-js';
import {
  type DispatcherClient,
  type LogLine,
  type LogLines,
  LogStream,
  type LogSubscription,
} from '@shoal/proto';
import { errorMessage, type Logger } from '@shoal/runtime';
import type { Engine } from '../executor/engine.ts';
import type { AgentMetrics } from '../metrics.ts';
import { LogReadError, type LogRecord, type LogRequest } from './records.ts';

/** Lines of one message; fewer when they are long. */
const linesPerMessageMax = 512;
/** Bytes of one message but for its last line, so that little waits in buffers. */
const messageBytesMax = 64 << 10;
/** Subscriptions at the same time: a manager has one for each followed task, and few others. */
const subscriptionsMax = 4_096;

/** Where the container of a task is looked up; `unknown` while the node does not know its tasks yet. */
export type TaskContainerName =
  | { readonly kind: 'known'; readonly name: string | undefined }
  | { readonly kind: 'unknown' };

export interface LogPublisherOptions {
  readonly nodeId: string;
  readonly engine: Engine;
  readonly container: (taskId: string) => TaskContainerName;
  readonly logger: Logger;
  readonly metrics: AgentMetrics;
}

/** How the reading of one container ended. */
interface Read {
  readonly isBroken: boolean;
  readonly isWhole: boolean;
  /** Why lines are missing; empty when none are. */
  readonly gap: string;
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
    const call = client.publishLogs((error) => {
      if (error !== null) abort.abort();
    });
    call.on('error', () => abort.abort());
    const publication = new Publication(call, subscription, abort.signal, this.#options);
    if (this.#open.size >= subscriptionsMax) {
      void publication.refuse(`node ${this.#options.nodeId} has too many log subscriptions`);
      return;
    }
    this.#open.set(subscription.id, abort);
    this.#count();
    void publication.run().finally(() => {
      this.#open.delete(subscription.id);
      this.#count();
    });
  }

  cancel(id: string): void {
    this.#open.get(id)?.abort();
  }

  /** The session has ended, and with it the ways its subscriptions came. */
  cancelAll(): void {
    for (const abort of this.#open.values()) abort.abort();
  }

  #count(): void {
    this.#options.metrics.logSubscriptions(this.#open.size);
  }
}

/** One subscription's stream to the dispatcher. */
class Publication {
  readonly #call: ClientWritableStream<LogLines>;
  readonly #subscription: LogSubscription;
  readonly #signal: AbortSignal;
  readonly #options: LogPublisherOptions;
  /** Resolves when the dispatcher takes more; undefined while it does. */
  #full: Promise<void> | undefined;

  constructor(
    call: ClientWritableStream<LogLines>,
    subscription: LogSubscription,
    signal: AbortSignal,
    options: LogPublisherOptions,
  ) {
    this.#call = call;
    this.#subscription = subscription;
    this.#signal = signal;
    this.#options = options;
  }

  async run(): Promise<void> {
    // The first message tells the dispatcher whose stream this is.
    await this.#send({});
    const reads = await Promise.all(
      this.#subscription.taskIds.map(async (taskId) => {
        const read = await this.#read(taskId);
        if (read.gap !== '' && !this.#signal.aborted) {
          this.#options.metrics.logGap();
          await this.#send({ gaps: [`task ${taskId}: ${read.gap}`] });
        }
        return read;
      }),
    );
    await this.#end({
      broken: reads.some(({ isBroken }) => isBroken),
      whole: reads.every(({ isWhole }) => isWhole),
    });
  }

  async refuse(gap: string): Promise<void> {
    await this.#send({ gaps: [gap] });
    await this.#end({ broken: true, whole: false });
  }

  async #end(end: LogLines['end']): Promise<void> {
    if (!this.#signal.aborted) await this.#send({ end });
    if (this.#signal.aborted) this.#call.cancel();
    else this.#call.end();
  }

  async #send(part: Partial<LogLines>): Promise<void> {
    const { lines = [], gaps = [], end } = part;
    this.#options.metrics.logLines(lines.length);
    if (this.#call.write({ subscriptionId: this.#subscription.id, lines, gaps, end })) return;
    this.#full ??= new Promise((resolve) => {
      const done = (): void => {
        this.#full = undefined;
        this.#call.removeListener('drain', done);
        this.#signal.removeEventListener('abort', done);
        resolve();
      };
      this.#call.once('drain', done);
      this.#signal.addEventListener('abort', done, { once: true });
      if (this.#signal.aborted) done();
    });
    await this.#full;
  }

  async #read(taskId: string): Promise<Read> {
    const container = this.#options.container(taskId);
    if (container.kind === 'unknown')
      return { isBroken: true, isWhole: false, gap: 'its node does not know its tasks yet' };
    // Neither the task nor its container are here any more: then there are no lines either.
    const nothing: Read = { isBroken: false, isWhole: true, gap: '' };
    if (container.name === undefined) return nothing;
    const { engine } = this.#options;
    const result = await engine.logs(container.name, requestOf(this.#subscription), this.#signal);
    if (result.kind === 'failed') {
      const { kind, message } = result.failure;
      // A task that never got a container has said nothing.
      if (kind === 'not-found') return nothing;
      return { isBroken: kind === 'unreachable', isWhole: false, gap: message };
    }
    let messages = 0;
    try {
      for await (const batch of result.value) {
        if (this.#signal.aborted) break;
        messages = batch.messages;
        await this.#lines(taskId, batch.records);
      }
    } catch (error) {
      const isBroken = !(error instanceof LogReadError);
      return { isBroken, isWhole: false, gap: errorMessage(error) };
    }
    const { tail, since } = this.#subscription;
    const isWhole = since === undefined && (tail < 0 || messages < tail);
    return { isBroken: false, isWhole, gap: '' };
  }

  async #lines(taskId: string, records: readonly LogRecord[]): Promise<void> {
    let lines: LogLine[] = [];
    let bytes = 0;
    for (const record of records) {
      lines.push(lineOf(taskId, this.#options.nodeId, record));
      bytes += record.data.length;
      if (lines.length < linesPerMessageMax && bytes < messageBytesMax) continue;
      await this.#send({ lines });
      if (this.#signal.aborted) return;
      lines = [];
      bytes = 0;
    }
    if (lines.length > 0) await this.#send({ lines });
  }
}

function requestOf(subscription: LogSubscription): LogRequest {
  const { follow, tail, since, until, stdout, stderr } = subscription;
  return { follow, tail, since, until, stdout, stderr };
}

function lineOf(taskId: string, nodeId: string, record: LogRecord): LogLine {
  const stream = record.stream === 'stdout' ? LogStream.STDOUT : LogStream.STDERR;
  const { time, attributes, data } = record;
  return { taskId, nodeId, stream, time, data, attributes };
}
