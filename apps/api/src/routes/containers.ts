import { isJsonContentType } from '@shoal/docker-api';
import { passRequest } from '@shoal/link/proxy';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiContext } from '../context.ts';
import { arrivalOf } from '../http/exchange.ts';
import { withEngineNetworks } from '../networks/run-attached.ts';

/** Containers are the engine's; those that join a network of the swarm need to be told its name there. */
export function containerRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post('/containers/create', async (request, reply) => {
    const changed = await withEngineNetworks(context, readBody(request));
    const sent = typeof request.body === 'string' ? request.body : '';
    const body = changed === undefined ? sent : JSON.stringify(changed);
    reply.hijack();
    await passRequest(context.engine, request.raw, reply.raw, {
      url: arrivalOf(request).url,
      body,
    });
    return reply;
  });
}

/** Undefined for what is not JSON: the engine refuses it in its own words. */
function readBody({ body, headers }: FastifyRequest): unknown {
  if (typeof body !== 'string' || !isJsonContentType(headers['content-type'] ?? ''))
    return undefined;
  try {
    return JSON.parse(body, asWritten);
  } catch {
    return undefined;
  }
}

declare global {
  interface JSON {
    /** Missing in the types: what is written as that very text. */
    rawJSON(text: string): object;
  }
}

/** The engine's numbers have 64 bits, and ours do not: those that would change stay text. */
function asWritten(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || String(value) === source) return value;
  return JSON.rawJSON(source);
}
