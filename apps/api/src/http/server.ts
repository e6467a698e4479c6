import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { ApiError, apiErrors, splitVersion } from '@shoal/docker-api';
import { EngineAwayError } from '@shoal/link/proxy';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { untilTakenUp } from '../cluster/access.ts';
import { ContainerRouter } from '../containers/container-router.ts';
import type { ApiContext } from '../context.ts';
import { ownerOf } from '../proxy/ownership.ts';
import { containerRoutes } from '../routes/containers.ts';
import { distributionRoutes } from '../routes/distribution.ts';
import { documentRoutes } from '../routes/documents.ts';
import { networkRoutes } from '../routes/networks.ts';
import { nodeRoutes } from '../routes/nodes.ts';
import { serviceRoutes } from '../routes/services.ts';
import { shoalAuditRoutes } from '../routes/shoal-audit.ts';
import { shoalCapacityRoutes } from '../routes/shoal-capacity.ts';
import { shoalDashboardRoutes } from '../routes/shoal-dashboard.ts';
import { shoalExplainRoutes } from '../routes/shoal-explain.ts';
import { shoalNetRoutes } from '../routes/shoal-net.ts';
import { shoalOpenApiRoutes } from '../routes/shoal-openapi.ts';
import { shoalPlanRoutes } from '../routes/shoal-plan.ts';
import { shoalServiceRoutes } from '../routes/shoal-services.ts';
import { shoalSettingsRoutes } from '../routes/shoal-settings.ts';
import { shoalStatusRoutes } from '../routes/shoal-status.ts';
import { shoalTaskRoutes } from '../routes/shoal-tasks.ts';
import { shoalUnusedRoutes } from '../routes/shoal-unused.ts';
import { swarmRoutes } from '../routes/swarm.ts';
import { systemRoutes } from '../routes/system.ts';
import { taskRoutes } from '../routes/tasks.ts';
import { volumeRoutes } from '../routes/volumes.ts';
import { Bodies } from './bodies.ts';
import { noteClient } from './caller.ts';
import { errorBody, noteArrival, sendEmpty, sendJson } from './exchange.ts';
import { routedHeaders } from './headers.ts';
import { Lists } from './lists.ts';
import type { ApiMetrics } from './metrics.ts';
import { takeOriginForm } from './target.ts';
import { canUpgrade } from './upgrades.ts';

/** An idle connection is kept this long; clients reuse one within a command, milliseconds. */
const keepAliveMs = 65_000;
/** Longest wait for the head of a request, milliseconds. */
const headersMsMax = 60_000;
/** Longest head of a request, as of Go's server: filters may name hundreds of ids. */
const headBytesMax = 1024 * 1024;

export interface ApiServer {
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
  const engine = new ContainerRouter(context);
  let routed: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  const server = createServer(
    {
      keepAliveTimeout: keepAliveMs,
      headersTimeout: headersMsMax,
      requestTimeout: 0,
      maxHeaderSize: headBytesMax,
      shouldUpgradeCallback: canUpgrade,
    },
    (request, response) => {
      const begun = clock.monotonic();
      response.on('close', () => {
        const seconds = (clock.monotonic() - begun) / 1_000;
        const method = request.method ?? '';
        metrics.observe(routes.get(request) ?? 'none', method, response.statusCode, seconds);
      });
      gateway(engine, request, response, routed);
    },
  );
  // A client that half-closes still gets its answer, as from Go's server. Missing in the types.
  Object.assign(server, { httpAllowHalfOpen: true });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    noteClient(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('upgrade', (request, socket, head) => {
    void engine.passUpgrade(request, socket, head);
  });
  const app = fastify({
    serverFactory: (handler) => {
      routed = handler;
      return server;
    },
    // Ours are in Bodies; the framework's would close connections.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    exposeHeadRoutes: false,
    forceCloseConnections: false,
    // Its own refusal does not have Docker's shape; the routes know best what still works.
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1_024 },
  });
  setUp(app, context);
  const routeContext = { ...context, lists: new Lists(clock) };
  for (const register of [
    systemRoutes,
    swarmRoutes,
    nodeRoutes,
    serviceRoutes,
    taskRoutes,
    networkRoutes,
    containerRoutes,
    distributionRoutes,
    volumeRoutes,
    documentRoutes,
    // Before the others: it writes down what they say of themselves.
    shoalOpenApiRoutes,
    shoalStatusRoutes,
    shoalServiceRoutes,
    shoalTaskRoutes,
    shoalPlanRoutes,
    shoalExplainRoutes,
    shoalNetRoutes,
    shoalSettingsRoutes,
    shoalAuditRoutes,
    shoalUnusedRoutes,
    shoalCapacityRoutes,
    shoalDashboardRoutes,
  ])
    register(app, routeContext);
  await app.ready();
  return {
    server,
    async close(graceMs) {
      const timer = clock.after(graceMs, () => {
        for (const socket of sockets) socket.destroy();
      });
      // The framework closes only what it opened itself. The socket's file goes with the listener.
      const refusing = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      await app.close();
      // The server waits for what it accepted itself, not for what came by another door.
      await Promise.all(
        [...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
      );
      await refusing;
      timer.cancel();
    },
  };
}

const { 'Docker-Experimental': _experimental, ...refusedHeaders } = routedHeaders;
const refusedAsJson = { ...refusedHeaders, 'Content-Type': 'application/json' };
/** As Go's own server refuses. */
const refusedAsText = {
  ...refusedHeaders,
  'Content-Type': 'text/plain; charset=utf-8',
  'X-Content-Type-Options': 'nosniff',
};

const routes = new WeakMap<IncomingMessage, string>();

function gateway(
  engine: ContainerRouter,
  request: IncomingMessage,
  response: ServerResponse,
  routed: (request: IncomingMessage, response: ServerResponse) => void,
): void {
  takeOriginForm(request);
  const url = request.url ?? '/';
  const split = splitVersion(url);
  if (split.kind === 'refused') {
    const { error, plain } = split;
    const body = plain ? `${error.message}\n` : `${JSON.stringify({ message: error.message })}\n`;
    response.writeHead(error.status, plain ? refusedAsText : refusedAsJson).end(body);
    return;
  }
  if (ownerOf(request.method ?? 'GET', split.path) === 'engine') {
    routes.set(request, 'engine');
    void engine.pass(request, response);
    return;
  }
  noteArrival(request, { version: split.version, url });
  request.url = split.path;
  routed(request, response);
}

function setUp(app: FastifyInstance, { host, clock, logger }: ApiContext): void {
  // Bodies are read as text whatever their type: the type is judged by the route, in Docker's words.
  const bodies = new Bodies(clock);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request: unknown, body: IncomingMessage) => bodies.read(body));
  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return;
    routes.set(request.raw, request.routeOptions.url ?? 'none');
    reply.headers(routedHeaders);
    if (host.takingUp !== undefined) await untilTakenUp(host, clock);
  });
  // The engine has this for browsers, and for every path.
  app.options('*', async (_request, reply) => sendEmpty(reply));
  app.setNotFoundHandler((_request, reply) => sendJson(reply, 404, { message: 'page not found' }));
  app.setErrorHandler((given, request, reply) => {
    const error = refusalOf(given, request);
    const { status, message } = errorBody(error);
    if (status === 500 && !(error instanceof ApiError))
      logger.error(
        { error, method: request.method, route: request.routeOptions.url },
        'request_broke',
      );
    // What is left of a body is read and dropped: closing on a client that still writes would cost it the answer.
    if (status === 408) reply.header('connection', 'close');
    else reply.removeHeader('connection');
    return sendJson(reply, status, { message });
  });
}

/** What the error is to the client. */
function refusalOf(error: unknown, request: FastifyRequest): unknown {
  if (isMediaType(error)) return apiErrors.contentType(typeOf(request));
  return error instanceof EngineAwayError ? new ApiError(503, error.message) : error;
}

/** The framework's own refusal of a content type that is none. */
function isMediaType(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE';
}

function typeOf({ headers }: FastifyRequest): string {
  return headers['content-type'] ?? '';
}
