import { type Engine, passRequest } from '@shoal/link/proxy';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiContext } from '../context.ts';
import { arrivalOf, sendJson } from '../http/exchange.ts';
import { type Distribution, ownImage } from '../images/own-image.ts';

/**
 * What a registry says of an image, which clients ask before they make a service of it. Where none knows it
 * a manager tells of its own engine's image: every node can get that one from another.
 */
export function distributionRoutes(app: FastifyInstance, { engine, host }: ApiContext): void {
  app.get('/distribution/*', async (request, reply) => {
    const name = imageOf(request);
    const isManager = host.standing.kind === 'manager';
    const own = isManager && name !== '' ? await ownImageOf(engine, name) : undefined;
    if (own !== undefined)
      return sendJson(reply, 200, (await registrysAnswer(engine, request, name)) ?? own);
    reply.hijack();
    return passRequest(engine, request.raw, reply.raw, { url: arrivalOf(request).url });
  });
}

/** Empty when the path asks for something else. */
function imageOf(request: FastifyRequest): string {
  const { '*': path = '' } = request.params as { readonly '*'?: string };
  return path.endsWith('/json') ? path.slice(0, -'/json'.length) : '';
}

/** Undefined also when the engine cannot be asked: then the client hears that from the engine's proxy. */
function ownImageOf(engine: Engine, name: string): Promise<Distribution | undefined> {
  return ownImage(engine, name).catch(() => undefined);
}

async function registrysAnswer(
  engine: Engine,
  request: FastifyRequest,
  name: string,
): Promise<unknown> {
  const auth = request.headers['x-registry-auth'];
  const headers = auth === undefined ? {} : { 'x-registry-auth': auth };
  try {
    const { status, json } = await engine.get(`/distribution/${encodeURI(name)}/json`, headers);
    return status === 200 ? json : undefined;
  } catch {
    return undefined;
  }
}
