import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineHttp } from '../../executor/engine-http.ts';
import { EngineImages } from '../engine-images.ts';
import { ImageMemory } from '../image-memory.ts';
import type { FakeImage } from './fake-archive.ts';

interface Kept {
  readonly image: FakeImage;
  readonly createdAt: string;
  readonly tags: Set<string>;
  readonly digests: readonly string[];
}

const monotonic = (): number => performance.now();

/** The part of an engine's API that is about images, on a unix socket. Knows a few archives by heart. */
export class FakeImageEngine {
  readonly images = new Map<string, Kept>();
  /** `METHOD /path` of every call. */
  readonly calls: string[] = [];
  readonly notes = new ImageMemory();
  readonly #directory = mkdtempSync(join(tmpdir(), 'shoal-images-'));
  readonly #server: Server;
  readonly #known: readonly FakeImage[];
  readonly #watchers = new Set<ServerResponse>();
  /** What is sent instead of an image's archive, and when. */
  send: (image: FakeImage, response: ServerResponse) => void = ({ archive }, response) =>
    response.end(archive);
  /** What the engine says instead of taking an image in. */
  refusal: string | undefined;

  constructor(known: readonly FakeImage[]) {
    this.#known = known;
    this.#server = createServer((request, response) => {
      void this.#answer(request, response);
    });
  }

  async start(): Promise<EngineImages> {
    const socket = join(this.#directory, 'engine.sock');
    await new Promise<void>((resolve) => this.#server.listen(socket, resolve));
    const http = new EngineHttp(`unix://${socket}`, () => undefined, monotonic as never);
    return new EngineImages({ http, notes: this.notes, monotonic });
  }

  put(image: FakeImage, tags: readonly string[], more: Partial<Kept> = {}): void {
    const createdAt = '2026-01-01T00:00:00Z';
    this.images.set(image.id, { image, createdAt, digests: [], ...more, tags: new Set(tags) });
  }

  /** As the engine tells of it. */
  event(Action: string): void {
    for (const watcher of this.#watchers) watcher.write(`${JSON.stringify({ Action })}\n`);
  }

  /** How many are told. */
  get watchers(): number {
    return this.#watchers.size;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #find(name: string): Kept | undefined {
    const byId = this.images.get(name);
    if (byId !== undefined) return byId;
    const digest = name.includes('@') ? name.slice(name.indexOf('@') + 1) : undefined;
    const wanted = name.includes(':') ? name : `${name}:latest`;
    return [...this.images.values()].find(({ tags, digests }) =>
      digest === undefined ? tags.has(wanted) : digests.includes(digest),
    );
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://engine');
    this.calls.push(`${request.method} ${url.pathname}`);
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(body)}\n`);
    };
    if (url.pathname === '/images/load') return this.#load(request, json);
    if (url.pathname === '/images/json') return json(200, [...this.images.values()].map(listed));
    if (url.pathname === '/events') {
      response.writeHead(200).flushHeaders();
      this.#watchers.add(response);
      response.on('close', () => this.#watchers.delete(response));
      return;
    }
    const [, name = '', action] = /^\/images\/(.+)\/(json|get|tag)$/.exec(url.pathname) ?? [];
    const kept = this.#find(name);
    if (kept === undefined) return json(404, { message: `No such image: ${name}` });
    if (action === 'json') return json(200, inspected(kept));
    if (action === 'get') return this.send(kept.image, response);
    const tag = `${url.searchParams.get('repo')}:${url.searchParams.get('tag')}`;
    for (const { tags } of this.images.values()) tags.delete(tag);
    kept.tags.add(tag);
    json(201, {});
  }

  async #load(
    request: IncomingMessage,
    json: (status: number, body: unknown) => void,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    if (this.refusal !== undefined) return json(500, { message: this.refusal });
    const archive = Buffer.concat(chunks);
    const image = this.#known.find((each) => each.archive.equals(archive));
    if (image === undefined) return json(200, { error: 'invalid archive' });
    this.put(image, []);
    json(200, { stream: `Loaded image ID: ${image.id}\n` });
  }
}

function listed({ image, tags, digests }: Kept): object {
  return {
    Id: image.id,
    RepoTags: [...tags],
    RepoDigests: digests.map((digest) => `web@${digest}`),
  };
}

function inspected({ image, tags, createdAt }: Kept): object {
  return {
    Id: image.id,
    RepoTags: [...tags],
    Created: createdAt,
    Size: image.archive.length,
  };
}
