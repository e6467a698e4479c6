import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { errorMessage, type Logger } from '@shoal/runtime';

export interface EngineProxyOptions {
  /** Path of the local engine's unix socket. */
  readonly socketPath: string;
  readonly logger: Logger;
}

/** Connections to the engine kept open between requests. */
const idleConnectionsMax = 32;
const versionPrefix = /^\/v(\d+)\.(\d+)(?=\/)/;
/** Headers that belong to one connection, not to the message (RFC 9110, section 7.6.1). */
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding']);

/**
 * Passes requests of Docker's API to the local engine as they are, in both directions, without
 * buffering: bodies stream, endless answers flow at once, and hijacked connections (attach, exec,
 * BuildKit) become plain tunnels whose halves close independently.
 * Only the version in the path is changed: never newer than the engine speaks.
 */
export class EngineProxy {
  readonly #options: EngineProxyOptions;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: idleConnectionsMax });
  #engineVersion: Promise<string | undefined> | undefined;

  constructor(options: EngineProxyOptions) {
    this.#options = options;
  }

  async handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = await this.#pathForEngine(incoming.url ?? '/');
    const call = request({
      socketPath: this.#options.socketPath,
      agent: this.#agent,
      method: incoming.method,
      path,
      headers: headerPairs(incoming.rawHeaders),
    });
    call.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, headerPairs(answer.rawHeaders));
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    call.on('error', (error) => this.#failed(response, error));
    response.on('close', () => call.destroy());
    incoming.pipe(call);
  }

  /** A request that asks for the connection itself. */
  async upgrade(incoming: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy());
    const path = await this.#pathForEngine(incoming.url ?? '/');
    const engine = connect({ path: this.#options.socketPath, allowHalfOpen: true });
    engine.on('connect', () => {
      engine.write(headOf(incoming, path));
      engine.write(head);
      client.pipe(engine);
      engine.pipe(client);
    });
    engine.on('error', (error) => {
      client.end(rawUnavailable(this.#unavailable(error)));
    });
    client.on('close', () => engine.destroy());
    engine.on('close', () => client.end());
  }

  close(): void {
    this.#agent.destroy();
  }

  async #pathForEngine(url: string): Promise<string> {
    const asked = versionPrefix.exec(url);
    if (asked === null) return url;
    const spoken = await this.#newestSpoken();
    if (spoken === undefined || !isNewer(asked[0].slice(2), spoken)) return url;
    return url.replace(versionPrefix, `/v${spoken}`);
  }

  /** The engine's own API version, asked once; asked again after a failure. */
  #newestSpoken(): Promise<string | undefined> {
    this.#engineVersion ??= this.#ping().then((version) => {
      if (version === undefined) this.#engineVersion = undefined;
      return version;
    });
    return this.#engineVersion;
  }

  #ping(): Promise<string | undefined> {
    return new Promise((resolve) => {
      const { socketPath } = this.#options;
      const call = request({ socketPath, agent: this.#agent, path: '/_ping' }, (answer) => {
        answer.resume();
        const version = answer.headers['api-version'];
        resolve(typeof version === 'string' ? version : undefined);
      });
      call.on('error', () => resolve(undefined));
      call.end();
    });
  }

  #failed(response: ServerResponse, error: Error): void {
    // The engine may come back as another version.
    this.#engineVersion = undefined;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const body = JSON.stringify({ message: this.#unavailable(error) });
    response.writeHead(503, { 'content-type': 'application/json' });
    response.end(body);
  }

  #unavailable(error: Error): string {
    const { socketPath, logger } = this.#options;
    logger.warn({ socketPath, err: errorMessage(error) }, 'engine_unreachable');
    return `The Docker Engine of this host does not answer at ${socketPath} (${errorMessage(error)}). Start it, or run "shoal up" to have it started.`;
  }
}

/** Name-value pairs in the order and case they came in, without those of the connection. */
function headerPairs(raw: readonly string[]): string[] {
  const pairs: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = raw.slice(at, at + 2);
    if (!hopByHop.has(name.toLowerCase())) pairs.push(name, value);
  }
  return pairs;
}

/** The request's head as it came, for a connection that becomes a tunnel. */
function headOf(incoming: IncomingMessage, path: string): string {
  const lines = [`${incoming.method} ${path} HTTP/1.1`];
  const { rawHeaders } = incoming;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function rawUnavailable(message: string): string {
  const body = JSON.stringify({ message });
  return `HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}

function isNewer(asked: string, spoken: string): boolean {
  const [askedMajor = 0, askedMinor = 0] = asked.split('.').map(Number);
  const [major = 0, minor = 0] = spoken.split('.').map(Number);
  return askedMajor > major || (askedMajor === major && askedMinor > minor);
}
