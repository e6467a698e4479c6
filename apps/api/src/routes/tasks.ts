import {
  filterKeys,
  parseFilters,
  resolveTask,
  shownTasks,
  TaskTexts,
  taskShape,
} from '@shoal/docker-api';
import type { FastifyInstance } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { RouteContext } from '../context.ts';
import { queryOf, refOf, sendJson } from '../http/exchange.ts';
import { sendLogs } from '../logs/log-response.ts';

export function taskRoutes(app: FastifyInstance, context: RouteContext): void {
  const texts = new TaskTexts();
  app.get('/tasks', async (request, reply) => {
    const { view } = (await managerToRead(context, reply)).replica;
    const filters = parseFilters(queryOf(request)['filters'], filterKeys.tasks);
    return context.lists.send(reply, view.tasks.size, () => {
      const items = shownTasks(view, filters);
      return { items, write: texts.gather(view, items) };
    });
  });
  app.get('/tasks/:ref', async (request, reply) => {
    const { view } = (await managerToRead(context, reply)).replica;
    return sendJson(reply, 200, taskShape(view, resolveTask(view, refOf(request))));
  });
  app.get('/tasks/:ref/logs', async (request, reply) => {
    const manager = await managerToRead(context, reply);
    const task = resolveTask(manager.replica.view, refOf(request));
    return sendLogs(context, manager, request, reply, {
      serviceId: task.serviceId,
      revision: task.revision,
      taskId: task.id,
    });
  });
}
