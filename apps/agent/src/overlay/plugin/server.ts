import { chmod, mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { basename, dirname, extname } from 'node:path';
import { type Clock, errorMessage, type Logger } from '@shoal/runtime';
import { freeSocketPath } from '@shoal/runtime/process';
import { z } from 'zod';
import type { OverlayMetrics } from '../metrics.ts';

/** Longest body that is read, bytes. */
const bodyBytesMax = 1 << 20;
/** Until when the engine has its answer, milliseconds: it waits for ever, and a container with it. */
const answerMsMax = 5_000;
/** Calls at the same time; the engine makes a few for each container that it starts. */
const connectionsMax = 1_024;
const contentType = 'application/vnd.docker.plugins.v1.2+json';

export type Reply =
  | { readonly kind: 'ok'; readonly answer: object }
  | { readonly kind: 'refused'; readonly message: string };

/** One method of the protocol: what it takes and what it does. */
export interface Method {
  call(body: unknown): Promise<Reply>;
}

/** By path without slash, such as `NetworkDriver.Join`. */
export type Methods = ReadonlyMap<string, Method>;

export function method<T>(shape: z.ZodType<T>, handle: (request: T) => Promise<Reply>): Method {
  return {
    async call(body) {
      const request = shape.safeParse(body);
      if (request.success) return handle(request.data);
      return { kind: 'refused', message: z.prettifyError(request.error) };
    },
  };
}

export function answered(answer: object = {}): Reply {
  return { kind: 'ok', answer };
}

export function refused(message: string): Reply {
  return { kind: 'refused', message };
}

export interface PluginServerOptions {
  /** Such as `/run/docker/plugins/shoal.sock`: the engine calls the driver by the file's name. */
  readonly socket: string;
  readonly methods: Methods;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: OverlayMetrics;
}

/** What the engine calls a driver with this socket. */
export function driverName(socket: string): string {
  return basename(socket, extname(socket));
}

/** The engine's plugin protocol over HTTP. Every call is answered, within {@link answerMsMax}. */
export class PluginServer {
  readonly #options: PluginServerOptions;
  readonly #server: Server;

  private constructor(options: PluginServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.maxConnections = connectionsMax;
    // The engine keeps few connections. If we closed them, one of its calls might be on the way.
    this.#server.keepAliveTimeout = 0;
  }

  /** @throws when the socket cannot be made: `SocketServedError` where another agent has it. */
  static async listen(options: PluginServerOptions): Promise<PluginServer> {
    const server = new PluginServer(options);
    const { socket } = options;
    await mkdir(dirname(socket), { recursive: true });
    await freeSocketPath(socket);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen(socket, () => {
        server.#server.off('error', reject);
        resolve();
      });
    });
    await chmod(socket, 0o600);
    return server;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, metrics, methods, logger } = this.#options;
    const name = (request.url ?? '').slice(1);
    const found = methods.get(name);
    if (found === undefined) return send(response, 404, { Err: 'not implemented' });
    const begin = clock.monotonic();
    const reply = await this.#bounded(name, this.#reply(found, request));
    const ms = clock.monotonic() - begin;
    const outcome = reply.kind === 'ok' ? 'ok' : 'failed';
    metrics.pluginCall(name, outcome, ms);
    if (reply.kind === 'ok') return send(response, 200, reply.answer);
    logger.warn({ call: name, reason: reply.message, ms }, 'plugin_call_refused');
    // The engine reads one of these, which one depends on the interface.
    send(response, 200, { Err: reply.message, Error: reply.message });
  }

  async #reply(found: Method, request: IncomingMessage): Promise<Reply> {
    try {
      const text = await readBody(request);
      return await found.call(text === '' ? {} : JSON.parse(text));
    } catch (error) {
      return refused(errorMessage(error));
    }
  }

  /** The work goes on when it is late, but the engine does not wait for it. */
  #bounded(name: string, reply: Promise<Reply>): Promise<Reply> {
    const late = Promise.withResolvers<Reply>();
    const timer = this.#options.clock.after(answerMsMax, () =>
      late.resolve(refused(`${name} was not done within ${answerMsMax} ms`)),
    );
    return Promise.race([reply, late.promise]).finally(() => timer.cancel());
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > bodyBytesMax) throw new RangeError('the request is too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, answer: object): void {
  if (response.destroyed) return;
  const body = Buffer.from(JSON.stringify(answer));
  // With its length known, the engine takes the connection for its next call as well.
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': body.length });
  response.end(body);
}
