import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { splitVersion } from '@shoal/docker-api';
import fastify, { type FastifyInstance } from 'fastify';
import { untilTakenUp } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { ownerOf } from '../proxy/ownership.ts';
import { proxyRequest, proxyUpgrade } from '../proxy/proxy.ts';
import { containerRoutes } from '../routes/containers.ts';
import { documentRoutes } from '../routes/documents.ts';
import { networkRoutes } from '../routes/networks.ts';
import { nodeRoutes } from '../routes/nodes.ts';
import { serviceRoutes } from '../routes/services.ts';
import { shoalExplainRoutes } from '../routes/shoal-explain.ts';
import { shoalNetRoutes } from '../routes/shoal-net.ts';
import { shoalPlanRoutes } from '../routes/shoal-plan.ts';
import { shoalServiceRoutes } from '../routes/shoal-services.ts';
import { shoalSettingsRoutes } from '../routes/shoal-settings.ts';
import { swarmRoutes } from '../routes/swarm.ts';
import { systemRoutes } from '../routes/system.ts';
import { taskRoutes } from '../routes/tasks.ts';
import { errorBody, noteArrival, sendJson } from './exchange.ts';
import { routedHeaders } from './headers.ts';
import type { ApiMetrics } from './metrics.ts';

/** Largest body of a request that this process answers itself. */
export const bodyBytesMax = 4 * 1024 * 1024;
/** An idle connection is kept this long; clients reuse one within a command, milliseconds. */
const keepAliveMs = 65_000;
/** Longest wait for the head of a request, milliseconds. */
const headersMsMax = 60_000;

export interface ApiServer {
  readonly app: FastifyInstance;
  readonly server: Server;
  /** Stops accepting, lets answers end for `graceMs`, then closes what is left. */
  close(graceMs: number): Promise<void>;
}

/** The HTTP server: the gateway in front, then either the engine or the routes. */
export async function createApiServer(
  context: ApiContext,
  metrics: ApiMetrics,
): Promise<ApiServer> {
  const { clock } = context;
  let routed: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server = createServer(
    { keepAliveTimeout: keepAliveMs, headersTimeout: headersMsMax, requestTimeout: 0 },
    (request, response) => {
      const begun = clock.monotonic();
      response.on('close', () => {
        const seconds = (clock.monotonic() - begun) / 1_000;
        const method = request.method ?? '';
        metrics.observe(routes.get(request) ?? 'none', method, response.statusCode, seconds);
      });
      gateway(context, request, response, routed);
    },
  );
  const sockets = new Set<{ destroy(): unknown }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket, head) => {
    void proxyUpgrade(context.engine, request, socket, head);
  });
  const app = fastify({
    serverFactory: (handler) => {
      routed = handler;
      return server;
    },
    bodyLimit: bodyBytesMax,
    exposeHeadRoutes: false,
    forceCloseConnections: false,
    // Its own refusal does not have Docker's shape; the routes know best what still works.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1_024 },
  });
  setUp(app, context);
  for (const register of [
    systemRoutes,
    swarmRoutes,
    nodeRoutes,
    serviceRoutes,
    taskRoutes,
    networkRoutes,
    containerRoutes,
    documentRoutes,
    shoalServiceRoutes,
    shoalPlanRoutes,
    shoalExplainRoutes,
    shoalNetRoutes,
    shoalSettingsRoutes,
  ])
    register(app, context);
  await app.ready();
  return {
    app,
    server,
    async close(graceMs) {
      const timer = clock.after(graceMs, () => {
        for (const socket of sockets) socket.destroy();
      });
      server.closeIdleConnections();
      await app.close();
      timer.cancel();
    },
  };
}

const routes = new WeakMap<IncomingMessage, string>();

function gateway(
  context: ApiContext,
  request: IncomingMessage,
  response: ServerResponse,
  routed: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  const url = request.url ?? '/';
  const split = splitVersion(url);
  if (split.kind === 'refused') {
    const { error, plain } = split;
    const body = plain ? `${error.message}\n` : `${JSON.stringify({ message: error.message })}\n`;
    const type = plain ? 'text/plain; charset=utf-8' : 'application/json';
    response.writeHead(error.status, { ...routedHeaders, 'content-type': type }).end(body);
    return;
  }
  if (ownerOf(request.method ?? 'GET', split.path) === 'engine') {
    routes.set(request, 'engine');
    void proxyRequest(context.engine, request, response);
    return;
  }
  noteArrival(request, { version: split.version, url });
  request.url = split.path;
  routed(request, response);
}

function setUp(app: FastifyInstance, { host, clock }: ApiContext): void {
  // Bodies are read as text whatever their type: the type is judged by the route, in Docker's words.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return;
    routes.set(request.raw, request.routeOptions.url ?? 'none');
    reply.headers(routedHeaders);
    if (host.takingUp !== undefined) await untilTakenUp(host, clock);
  });
  app.setNotFoundHandler((_request, reply) => sendJson(reply, 404, { message: 'page not found' }));
  app.setErrorHandler((error, _request, reply) => {
    const { status, message } = errorBody(error);
    // Closing on a client that still writes would cost it the answer: the rest is read and dropped.
    if (status === 413) reply.removeHeader('connection');
    return sendJson(reply, status, { message });
  });
}
