import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { connect } from 'node:net';
import {
  type ApiVersion,
  formatVersion,
  isOlder,
  maxVersion,
  minVersion,
  olderOf,
  parseVersion,
  splitVersion,
} from '@shoal/docker-api';
import { errorMessage, parseHostPort } from '@shoal/runtime';
import type { PassedRequest, Upstream, UpstreamFailure } from './upstream.ts';

/** Longest wait for a small answer of the engine, milliseconds. */
const answerMsMax = 10_000;
/** Largest answer that is read into memory. */
const answerBytesMax = 16 * 1024 * 1024;

/** Where an engine listens. */
export type EngineAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Reads `unix:///path` or `tcp://host:port`; undefined for anything else. */
export function parseEngineAddress(text: string): EngineAddress | undefined {
  if (text.startsWith('unix:///')) return { kind: 'unix', path: text.slice('unix://'.length) };
  const rest = /^(?:tcp|http):\/\/(\S+?)\/?$/.exec(text)?.[1];
  const address = rest === undefined ? undefined : parseHostPort(rest);
  return address === undefined ? undefined : { kind: 'tcp', ...address };
}

/** The versions of its API that an engine speaks. */
export interface SpokenVersions {
  readonly oldest: ApiVersion;
  readonly newest: ApiVersion;
}

/** A whole answer of the engine. */
export interface EngineAnswer {
  readonly status: number;
  readonly json: unknown;
}

/** The engine cannot be reached; the message is one sentence for people. */
export class EngineAwayError extends Error {
  override readonly name = 'EngineAwayError';
}

/** A Docker Engine of this host, as a place to send requests to. */
export class Engine implements Upstream {
  readonly #text: string;
  readonly #address: EngineAddress;
  readonly #whose: string;
  #versions: SpokenVersions | undefined;
  #builder: string | undefined;

  /** `whose` says in sentences whose engine it is. */
  constructor(text: string, address: EngineAddress, whose = 'this host') {
    this.#text = text;
    this.#address = address;
    this.#whose = whose;
  }

  /** `Builder-Version` as the engine last told it. */
  get builderVersion(): string | undefined {
    return this.#builder;
  }

  /** A request to the engine; the path is sent as it is. */
  request({ method, path, headers }: PassedRequest): ClientRequest {
    return httpRequest({ method, path, headers, createConnection: () => this.connect() });
  }

  failure(cause: unknown): UpstreamFailure {
    this.forget();
    const { message } = cause instanceof EngineAwayError ? cause : this.away(cause);
    return { status: 503, message };
  }

  /** Keeps its reading side open after its writing side was ended, as `exec -i` needs. */
  connect() {
    const address = this.#address;
    return address.kind === 'unix'
      ? connect({ path: address.path, allowHalfOpen: true })
      : connect({ host: address.host, port: address.port, allowHalfOpen: true });
  }

  away(cause: unknown): EngineAwayError {
    return new EngineAwayError(
      `the Docker Engine of ${this.#whose} at ${this.#text} cannot be reached: ${errorMessage(cause)}`,
    );
  }

  /** The versions that the engine speaks, asked once. @throws EngineAwayError */
  async versions(): Promise<SpokenVersions> {
    if (this.#versions !== undefined) return this.#versions;
    const ping = await this.#send('GET', '/_ping');
    ping.resume();
    const builder = ping.headers['builder-version'];
    this.#builder = typeof builder === 'string' ? builder : undefined;
    // The oldest is told nowhere else.
    const { json } = await this.get('/version');
    this.#versions = {
      oldest: versionIn(json, 'MinAPIVersion') ?? minVersion,
      newest: versionIn(ping.headers, 'api-version') ?? versionIn(json, 'ApiVersion') ?? maxVersion,
    };
    return this.#versions;
  }

  /** The engine may have been replaced by another one: its versions are asked anew. */
  forget(): void {
    this.#versions = undefined;
  }

  /** `url` in the nearest version that the engine speaks. @throws EngineAwayError */
  async path(url: string): Promise<string> {
    const split = splitVersion(url);
    if (split.kind === 'refused' || !split.prefixed) return url;
    const { oldest, newest } = await this.versions();
    const raised = isOlder(split.version, oldest) ? oldest : split.version;
    const version = olderOf(newest, raised);
    return `/v${formatVersion(version)}${split.path}`;
  }

  /** A small JSON answer. @throws EngineAwayError */
  async get(path: string, headers: OutgoingHttpHeaders = {}): Promise<EngineAnswer> {
    const response = await this.#send('GET', path, headers);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > answerBytesMax) throw this.away(new Error('its answer is too large'));
      chunks.push(chunk);
    }
    try {
      const json: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      return { status: response.statusCode ?? 0, json };
    } catch (error) {
      throw this.away(error);
    }
  }

  /** Removes something; gives the status of the answer. @throws EngineAwayError */
  async delete(path: string): Promise<number> {
    const response = await this.#send('DELETE', path);
    response.resume();
    return response.statusCode ?? 0;
  }

  /** Asks for a change; gives the status of the answer. @throws EngineAwayError */
  async post(path: string, body: object): Promise<number> {
    const headers = { 'content-type': 'application/json' };
    const response = await this.#send('POST', path, headers, JSON.stringify(body));
    response.resume();
    return response.statusCode ?? 0;
  }

  #send(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: string,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = this.request({ method, path, headers: { host: 'docker', ...headers } });
      request.setTimeout(answerMsMax, () => request.destroy(new Error('it does not answer')));
      request.once('response', resolve);
      request.on('error', (error) => {
        this.forget();
        reject(this.away(error));
      });
      request.end(body);
    });
  }
}

function versionIn(told: unknown, name: string): ApiVersion | undefined {
  if (typeof told !== 'object' || told === null) return undefined;
  return parseVersion(String(Reflect.get(told, name) ?? ''));
}
