import { Agent, type IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { inspect } from 'node:util';
import { errorMessage } from '@shoal/runtime';
import Docker from 'dockerode';
import { z } from 'zod';
import type { EngineFailure, EngineResult } from './engine.ts';

/** Longest answer that is taken into memory as a whole, bytes. */
const answerBytesMax = 64 << 20;

export interface EngineCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly body?: object | undefined;
  /** A body that is no JSON; the call fails with it. */
  readonly content?: Readable | undefined;
  /** Base64url of Docker's AuthConfig. */
  readonly registryAuth?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Counts calls: what was called, how it ended, how long it took. */
export type CallObserver = (
  call: string,
  outcome: 'ok' | EngineFailure['kind'],
  ms: number,
) => void;

/** Makes the client hand over every answer: only the bodies hold the engine's own words. */
const everyStatus: Readonly<Record<number, true>> = Object.fromEntries(
  Array.from({ length: 400 }, (_, at) => [200 + at, true] as const),
);
const firstErrorStatus = 400;
const messageOf = z.object({ message: z.string() });

/**
 * docker-modem formats the options of every request for a debug line that nobody reads, with all that
 * hangs on them: with the sockets of an agent that took 20 ms a call, more than all else together.
 */
class QuietAgent extends Agent {
  [inspect.custom](): string {
    return 'QuietAgent';
  }
}

/** Every engine call in one form, with typed failures. Answers are read as streams, so that none hangs. */
export class EngineHttp {
  readonly #modem: Docker['modem'];
  readonly #observe: CallObserver;
  readonly #monotonic: () => number;
  #version = '';

  /** `address` is `unix:///path` or `tcp://host:port`. */
  constructor(address: string, observe: CallObserver, monotonic: () => number) {
    const agent = new QuietAgent({ keepAlive: true });
    const url = new URL(address);
    const where =
      url.protocol === 'unix:'
        ? { socketPath: url.pathname }
        : { host: url.hostname, port: url.port, protocol: 'http' as const };
    // `agent` is missing in the types of dockerode.
    const options: Docker.DockerOptions & { readonly agent: Agent } = { ...where, agent };
    this.#modem = new Docker(options).modem;
    this.#observe = observe;
    this.#monotonic = monotonic;
  }

  /** Version of the API that the engine spoke last, such as `1.44`; empty before it has answered. */
  get version(): string {
    return this.#version;
  }

  /** `name` is that of the metric. The stream is the caller's to read or destroy. */
  async stream(name: string, call: EngineCall): Promise<EngineResult<IncomingMessage>> {
    const begin = this.#monotonic();
    const result = await this.#dial(call);
    const outcome = result.kind === 'ok' ? 'ok' : result.failure.kind;
    this.#observe(name, outcome, this.#monotonic() - begin);
    return result;
  }

  /** The answer read by `shape`. */
  async json<T>(name: string, call: EngineCall, shape: z.ZodType<T>): Promise<EngineResult<T>> {
    const result = await this.stream(name, call);
    if (result.kind === 'failed') return result;
    try {
      const text = await readAll(result.value);
      return { kind: 'ok', value: shape.parse(text === '' ? undefined : JSON.parse(text)) };
    } catch (error) {
      const kind = error instanceof z.ZodError || error instanceof SyntaxError;
      const message =
        error instanceof z.ZodError
          ? `unexpected answer to ${name}: ${z.prettifyError(error)}`
          : errorMessage(error);
      return { kind: 'failed', failure: { kind: kind ? 'refused' : 'unreachable', message } };
    }
  }

  /** A call whose answer does not matter. */
  async run(name: string, call: EngineCall): Promise<EngineResult<undefined>> {
    const result = await this.stream(name, call);
    if (result.kind === 'failed') return result;
    result.value.on('error', () => undefined).resume();
    return { kind: 'ok', value: undefined };
  }

  #dial(call: EngineCall): Promise<EngineResult<IncomingMessage>> {
    return new Promise((resolve) => {
      this.#modem.dial(
        {
          path: `${call.path}?`,
          method: call.method,
          isStream: true,
          statusCodes: everyStatus,
          options: { _query: call.query ?? {}, _body: call.body ?? {} },
          ...(call.content === undefined ? {} : { file: call.content }),
          ...(call.registryAuth === undefined ? {} : { authconfig: { key: call.registryAuth } }),
          ...(call.signal === undefined ? {} : { abortSignal: call.signal }),
        } as unknown as Parameters<Docker['modem']['dial']>[0],
        (error: unknown, stream: unknown) => {
          if (error) return resolve({ kind: 'failed', failure: unreachable(error) });
          const answer = stream as IncomingMessage;
          this.#version = String(answer.headers['api-version'] ?? this.#version);
          resolve(answered(answer));
        },
      );
    });
  }
}

async function answered(answer: IncomingMessage): Promise<EngineResult<IncomingMessage>> {
  const status = answer.statusCode ?? 0;
  if (status < firstErrorStatus) return { kind: 'ok', value: answer };
  try {
    return { kind: 'failed', failure: failureOf(status, await readAll(answer)) };
  } catch (error) {
    return { kind: 'failed', failure: unreachable(error) };
  }
}

function unreachable(error: unknown): EngineFailure {
  return { kind: 'unreachable', message: errorMessage(error) };
}

/** What an answer with an error status means; `text` is its body. */
export function failureOf(status: number, text: string): EngineFailure {
  const message = messageIn(text) ?? (text.trim() || `status ${status}`);
  switch (status) {
    case 404:
      return { kind: 'not-found', message };
    case 409:
      return { kind: 'conflict', message };
    case 502:
    case 503:
      return { kind: 'unreachable', message };
    default:
      return { kind: 'refused', message };
  }
}

function messageIn(text: string): string | undefined {
  try {
    return messageOf.safeParse(JSON.parse(text)).data?.message;
  } catch {
    return undefined;
  }
}

async function readAll(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += (chunk as Buffer).length;
    if (bytes > answerBytesMax) throw new SyntaxError('the answer is too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
