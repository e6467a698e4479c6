import { ApiError, apiErrors, networkShape } from '@shoal/docker-api';
import type { Network } from '@shoal/state';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { arrivalOf, jsonBody, queryOf, refOf, sendJson } from '../http/exchange.ts';
import { proxyRequest, sendToEngine } from '../proxy/proxy.ts';

/**
 * Networks of the host and of the cluster under one roof. The cluster's are the hidden twins of
 * `host` and `bridge`, by which services name them; everything else is the engine's.
 */
export function networkRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/networks', (request, reply) => toEngine(context, request, reply));
  app.get('/networks/:ref', async (request, reply) => {
    const ref = refOf(request);
    const scope = queryOf(request)['scope'] ?? '';
    const network = await swarmNetwork(context, reply, ref, scope === 'swarm');
    if (network !== undefined) return sendJson(reply, 200, networkShape(network));
    if (scope === 'swarm') throw apiErrors.notFound('network', ref);
    return toEngine(context, request, reply);
  });
  app.delete('/networks/:ref', async (request, reply) => {
    const network = await swarmNetwork(context, reply, refOf(request), false);
    if (network !== undefined)
      throw new ApiError(
        403,
        `${network.spec.Name} is a pre-defined network and cannot be removed`,
      );
    return toEngine(context, request, reply);
  });
  app.post('/networks/create', async (request, reply) => {
    if (isForSwarm(jsonBody(request))) {
      if (context.host.standing.kind !== 'manager') throw apiErrors.notManagerForNetwork();
      throw new ApiError(
        501,
        'overlay networks are not available in this version: services can use the networks host and bridge',
      );
    }
    reply.hijack();
    await sendToEngine(context.engine, request.raw, reply.raw, {
      url: arrivalOf(request).url,
      body: typeof request.body === 'string' ? request.body : '',
    });
    return reply;
  });
}

/** By id always; by name only where the swarm's own are asked for. */
async function swarmNetwork(
  context: ApiContext,
  reply: FastifyReply,
  ref: string,
  byName: boolean,
): Promise<Network | undefined> {
  if (context.host.standing.kind !== 'manager') return undefined;
  const { networks } = (await managerToRead(context, reply)).replica.view;
  return networks.get(ref) ?? (byName ? networks.byName(ref) : undefined);
}

function isForSwarm(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return false;
  const of = (key: string): unknown => Reflect.get(body, key);
  return of('Driver') === 'overlay' || of('Scope') === 'swarm' || of('Ingress') === true;
}

async function toEngine(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  reply.hijack();
  request.raw.url = arrivalOf(request).url;
  await proxyRequest(context.engine, request.raw, reply.raw);
  return reply;
}
