import { resolveService, resolveTask } from '@shoal/docker-api';
import type { FastifyInstance } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import { newestTaskAt } from '../containers/find-task.ts';
import type { ApiContext } from '../context.ts';
import { explainService, explainTask } from '../explain/explain.ts';
import { refOf } from '../http/exchange.ts';
import { serviceExplanation, taskExplanation } from '../openapi/answers/explain.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';

const ofTask = answering({
  summary: 'Why a task is where it is, or waits',
  path: { ref: 'The task: its id, its name, the start of its id, or its place, such as web.1.' },
  answer: { name: 'TaskExplanation', schema: taskExplanation },
});
const ofService = answering({
  summary: 'How a service’s tasks came to where they are',
  path: { ref: 'The service: its id, its name, or the start of its id.' },
  answer: { name: 'ServiceExplanation', schema: serviceExplanation },
});

/** Why tasks are where they are, or wait: from the state, and from the schedulers' own records. */
export function shoalExplainRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/shoal/v1/tasks/:ref/explain',
    { config: { operation: ofTask } },
    async (request, reply) => {
      const manager = await managerToRead(context, reply);
      const { view } = manager.replica;
      const ref = refOf(request);
      const task = newestTaskAt(view, ref) ?? resolveTask(view, ref);
      return sendAnswer(reply, ofTask, await explainTask(manager, context.explain, task));
    },
  );
  app.get(
    '/shoal/v1/services/:ref/explain',
    { config: { operation: ofService } },
    async (request, reply) => {
      const manager = await managerToRead(context, reply);
      const service = resolveService(manager.replica.view, refOf(request));
      return sendAnswer(reply, ofService, await explainService(manager, context.explain, service));
    },
  );
}
