import { ApiError, apiErrors, filterKeys, parseFilters } from '@shoal/docker-api';
import type { FastifyInstance } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { queryOf, refOf, sendJson } from '../http/exchange.ts';

/** Secrets and configs, of which this cluster can hold none yet: lists are empty, creating says so. */
export function secretRoutes(app: FastifyInstance, context: ApiContext): void {
  for (const kind of ['secret', 'config'] as const) {
    const root = `/${kind}s`;
    app.get(root, async (request, reply) => {
      await managerToRead(context, reply);
      parseFilters(queryOf(request)['filters'], filterKeys[`${kind}s`]);
      return sendJson(reply, 200, []);
    });
    app.post(`${root}/create`, async () => {
      await managerToWrite(context);
      throw new ApiError(501, `${kind}s are not available in this version`);
    });
    for (const [method, url] of [
      ['GET', `${root}/:ref`],
      ['DELETE', `${root}/:ref`],
      ['POST', `${root}/:ref/update`],
    ] as const)
      app.route({
        method,
        url,
        handler: async (request, reply) => {
          await (method === 'GET' ? managerToRead(context, reply) : managerToWrite(context));
          throw apiErrors.notFound(kind, refOf(request));
        },
      });
  }
}
