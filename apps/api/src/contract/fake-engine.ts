import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Exchange, RecordedBody } from './recording.ts';
import { unversioned } from './recording.ts';

interface LocalNetwork {
  readonly Name: string;
  readonly Id: string;
  readonly Scope: string;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RecordedBody;
}

/** Length and coding of the recorded bytes; they are sent anew. */
const framing = new Set(['content-length', 'transfer-encoding', 'date', 'connection']);

/** The engine of a host: it answers what the recorded engine answered to the request under way. */
export class FakeEngine {
  /** The exchange that is being replayed. */
  expected: Exchange | undefined;
  readonly #server: Server;
  readonly #pingHeaders: Record<string, string>;
  readonly #networks: ReadonlyMap<string, LocalNetwork>;

  constructor(recording: readonly Exchange[]) {
    const ping = recording.find(({ req }) => req.path === '/_ping');
    this.#pingHeaders = pick(ping?.res.headers ?? {}, ['api-version', 'builder-version']);
    this.#networks = localNetworks(recording);
    this.#server = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        const { method = 'GET', url = '/' } = request;
        send(response, this.#answer(method, unversioned(url)));
      });
    });
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(method: string, path: string): Answer {
    const { expected } = this;
    if (path === '/_ping') return { status: 200, headers: this.#pingHeaders };
    if (path.startsWith('/events')) return { status: 200 };
    if (path.startsWith('/networks')) return this.#network(method, path);
    if (expected === undefined || unversioned(expected.req.path) !== path) return notFound('page');
    const { status, headers, body } = expected.res;
    if (path === '/info') return { status, body: { json: engineInfo(body?.json) } };
    return { status, headers, ...(body && { body }) };
  }

  #network(method: string, path: string): Answer {
    const { expected } = this;
    const isExpected = expected !== undefined && unversioned(expected.req.path) === path;
    if (/^\/networks(?:\?|$)/.test(path)) {
      const listed = expected?.res.body?.json;
      const own = path === '/networks' ? [...this.#own()] : [];
      const json = isExpected && Array.isArray(listed) ? listed.filter(isLocal) : own;
      return { status: 200, headers: isExpected ? expected.res.headers : {}, body: { json } };
    }
    const ref = decodeURIComponent(path.split('?')[0]?.slice('/networks/'.length) ?? '');
    const json = this.#networks.get(ref);
    if (method === 'GET' && json !== undefined) return { status: 200, body: { json } };
    if (!isExpected) return notFound(`network ${ref}`);
    const { status, headers, body } = expected.res;
    return { status, headers, ...(body && { body }) };
  }

  #own(): ReadonlySet<LocalNetwork> {
    return new Set(this.#networks.values());
  }
}

/** What the engine alone says: nothing of a swarm. */
function engineInfo(recorded: unknown): object {
  const info = recorded as Record<string, unknown>;
  const warnings = Array.isArray(info['Warnings']) ? info['Warnings'] : [];
  const own = warnings.filter((each) => !String(each).includes('two-manager'));
  return {
    ...info,
    Swarm: { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive' },
    Warnings: own.length === 0 ? null : own,
  };
}

/** By name and by id. */
function localNetworks(recording: readonly Exchange[]): ReadonlyMap<string, LocalNetwork> {
  const found = new Map<string, LocalNetwork>();
  for (const { engine, req, res } of recording) {
    if (engine !== 'n1' || req.method !== 'GET' || !unversioned(req.path).startsWith('/networks'))
      continue;
    const { json } = res.body ?? {};
    // One that the engine makes for a swarm of its own is not there without that.
    for (const each of Array.isArray(json) ? json : [json])
      if (isLocal(each) && each.Name !== 'docker_gwbridge')
        found.set(each.Name, each).set(each.Id, each);
  }
  return found;
}

function isLocal(network: unknown): network is LocalNetwork {
  return (network as Partial<LocalNetwork> | undefined)?.Scope === 'local';
}

function pick(all: Readonly<Record<string, string>>, names: readonly string[]) {
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
}

function notFound(what: string): Answer {
  return { status: 404, body: { json: { message: `${what} not found` } } };
}

function send(response: ServerResponse, { status, headers = {}, body = {} }: Answer): void {
  const kept = Object.entries(headers).filter(([name]) => !framing.has(name));
  const type = body.json === undefined ? {} : { 'content-type': 'application/json' };
  response.writeHead(status, { ...type, ...Object.fromEntries(kept) }).end(bytesOf(body));
}

/** A recorded body as it was on the wire, or nearly. */
export function bytesOf({ json, ndjson, text, base64 }: RecordedBody): Buffer {
  if (json !== undefined) return Buffer.from(`${JSON.stringify(json)}\n`);
  if (ndjson !== undefined)
    return Buffer.from(ndjson.map((line) => `${JSON.stringify(line)}\n`).join(''));
  if (base64 !== undefined) return Buffer.from(base64, 'base64');
  return Buffer.from(text ?? '');
}
