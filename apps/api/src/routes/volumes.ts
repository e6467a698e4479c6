import { type ApiVersion, apiErrors, isOlder, parseJson } from '@shoal/docker-api';
import { passRequest } from '@shoal/link/proxy';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiContext } from '../context.ts';
import { arrivalOf } from '../http/exchange.ts';

/** First version that knows volumes of the cluster. */
const clusterVolumesSince: ApiVersion = { major: 1, minor: 42 };

/**
 * Volumes are the engine's. Those of the cluster, which CSI plugins provide, are refused: an engine would
 * make one of its own instead, and say nothing.
 */
export function volumeRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post('/volumes/create', async (request, reply) => {
    if (context.host.standing.kind === 'manager' && isForCluster(request))
      throw apiErrors.clusterVolumes();
    const body = typeof request.body === 'string' ? request.body : '';
    const { url } = arrivalOf(request);
    reply.hijack();
    await passRequest(context.engine, request.raw, reply.raw, { url, body });
    return reply;
  });
  app.put('/volumes/:ref', async () => {
    throw context.host.standing.kind === 'manager'
      ? apiErrors.clusterVolumes()
      : apiErrors.volumeUpdate();
  });
}

function isForCluster(request: FastifyRequest): boolean {
  if (isOlder(arrivalOf(request).version, clusterVolumesSince)) return false;
  const asked = typeof request.body === 'string' ? parseJson(request.body) : undefined;
  if (typeof asked !== 'object' || asked === null) return false;
  return (Reflect.get(asked, 'ClusterVolumeSpec') ?? null) !== null;
}
