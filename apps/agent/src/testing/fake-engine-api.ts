import { createServer, type Server } from 'node:http';
import { join } from 'node:path';

export interface FakeCall {
  readonly route: string;
  readonly body: unknown;
}

/** Answers of a fake engine: status and body, by method and path without query. */
export type FakeRoutes = Record<string, (body: unknown) => readonly [number, unknown]>;

/** An HTTP server that answers as an engine's API would, from a table. */
export class FakeEngineApi {
  readonly calls: FakeCall[] = [];
  readonly address: string;
  readonly #server: Server;

  private constructor(address: string, server: Server) {
    this.address = address;
    this.#server = server;
  }

  static async listen(folder: string, version: string, routes: FakeRoutes): Promise<FakeEngineApi> {
    const socket = join(folder, 'engine.sock');
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString();
      const body: unknown = text === '' ? undefined : JSON.parse(text);
      const route = `${request.method} ${new URL(request.url ?? '', 'http://engine').pathname}`;
      engine.calls.push({ route, body });
      const [status, answer] = routes[route]?.(body) ?? [404, { message: `no ${route}` }];
      response.writeHead(status, { 'Content-Type': 'application/json', 'Api-Version': version });
      response.end(JSON.stringify(answer));
    });
    const engine = new FakeEngineApi(`unix://${socket}`, server);
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    return engine;
  }

  /** Bodies of the calls of one route, in order. */
  bodies(route: string): readonly unknown[] {
    return this.calls.filter((each) => each.route === route).map(({ body }) => body);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
