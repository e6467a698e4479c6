import {
  formatVersion,
  infoSwarmShape,
  maxVersion,
  minVersion,
  pingSwarmHeader,
} from '@shoal/docker-api';
import { type Engine, EngineAwayError } from '@shoal/link/proxy';
import { version } from '@shoal/runtime';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { localSwarm } from '../cluster/standing.ts';
import type { ApiContext } from '../context.ts';
import { sendEvents } from '../events/event-response.ts';
import { arrivalOf, sendJson } from '../http/exchange.ts';

export function systemRoutes(app: FastifyInstance, context: ApiContext): void {
  const { host, engine } = context;
  for (const method of ['GET', 'HEAD'] as const)
    app.route({
      method,
      url: '/_ping',
      handler: (_request, reply) => ping(context, reply, method === 'GET' ? 'OK' : ''),
    });
  app.get('/info', async (request, reply) => {
    const path = await engine.path(arrivalOf(request).url);
    const { status, json } = await engine.get(path);
    if (status !== 200) return sendJson(reply, status, json);
    const Swarm = infoSwarmShape(await localSwarm(host.standing, context.clock.now()));
    const info = { ...objectOf(json), Swarm };
    return sendJson(
      reply,
      200,
      Swarm.Warnings === undefined ? info : withWarnings(info, Swarm.Warnings),
    );
  });
  app.get('/version', async (_request, reply) => sendJson(reply, 200, await versionShape(engine)));
  app.get('/events', (request, reply) => sendEvents(context, request, reply));
}

/** The swarm's warnings among the engine's own, as dockerd shows them. */
function withWarnings(info: object, own: readonly string[]): object {
  const told: unknown = Reflect.get(info, 'Warnings');
  return { ...info, Warnings: [...(Array.isArray(told) ? told : []), ...own] };
}

/** Never asks anybody: it precedes every command. */
function ping({ host, engine }: ApiContext, reply: FastifyReply, body: string): FastifyReply {
  const { builderVersion } = engine;
  if (builderVersion !== undefined) reply.header('Builder-Version', builderVersion);
  return reply
    .headers({
      Swarm: pingSwarmHeader(host.standing.kind),
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      Pragma: 'no-cache',
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': String(body.length),
    })
    .send(body);
}

/** The engine's own answer with the versions that this process speaks, and this process among its parts. */
async function versionShape(engine: Engine): Promise<object> {
  const spoken = {
    ApiVersion: formatVersion(maxVersion),
    MinAPIVersion: formatVersion(minVersion),
  };
  const own = { Name: 'Shoal', Version: version, Details: {} };
  const Platform = { Name: `Shoal ${version}` };
  try {
    const answer = objectOf((await engine.get('/version')).json);
    const engineApi = String(Reflect.get(answer, 'ApiVersion') ?? '');
    const parts: unknown = Reflect.get(answer, 'Components');
    const Components = (Array.isArray(parts) ? parts : []).map((part: unknown) => {
      const component = objectOf(part);
      if (Reflect.get(component, 'Name') !== 'Engine') return component;
      const details = objectOf(Reflect.get(component, 'Details'));
      return { ...component, Details: { ...details, ...spoken, LocalApiVersion: engineApi } };
    });
    return { ...answer, ...spoken, Platform, Components: [...Components, own] };
  } catch (error) {
    if (!(error instanceof EngineAwayError)) throw error;
    const Details = { ...spoken, Os: 'linux', Arch: process.arch };
    const Components = [{ Name: 'Engine', Version: version, Details }, own];
    return { Platform, Components, Version: version, ...spoken, Os: 'linux', Arch: process.arch };
  }
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
