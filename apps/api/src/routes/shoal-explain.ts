import { resolveService, resolveTask } from '@shoal/docker-api';
import type { FastifyInstance } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { explainService, explainTask } from '../explain/explain.ts';
import { refOf, sendJson } from '../http/exchange.ts';

/** Why tasks are where they are, or wait: from the state, and from the schedulers' own records. */
export function shoalExplainRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/shoal/v1/tasks/:ref/explain', async (request, reply) => {
    const manager = await managerToRead(context, reply);
    const task = resolveTask(manager.replica.view, refOf(request));
    return sendJson(reply, 200, await explainTask(manager, context.explain, task));
  });
  app.get('/shoal/v1/services/:ref/explain', async (request, reply) => {
    const manager = await managerToRead(context, reply);
    const service = resolveService(manager.replica.view, refOf(request));
    return sendJson(reply, 200, await explainService(manager, context.explain, service));
  });
}
