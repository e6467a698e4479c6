import { apiErrors, resolveTask } from '@shoal/docker-api';
import type { FastifyInstance } from 'fastify';
import { managerToWrite } from '../cluster/access.ts';
import { writeNewest } from '../cluster/write.ts';
import { newestTaskAt } from '../containers/find-task.ts';
import type { ApiContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import { refOf } from '../http/exchange.ts';
import { restart } from '../openapi/answers/services.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';
import { restarted } from '../services/restart.ts';

const began = answering({
  summary: 'Stops a task, and has another one take its place',
  path: { ref: 'The task: its id, its name, the start of its id, or its place, such as web.1.' },
  answer: { name: 'Restart', schema: restart },
});

/** What Docker's API can do to all tasks of a service only. */
export function shoalTaskRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post(
    '/shoal/v1/tasks/:ref/restart',
    { config: { operation: began } },
    async (request, reply) => {
      const manager = await managerToWrite(context);
      const { view } = manager.replica;
      const ref = refOf(request);
      const { id } = newestTaskAt(view, ref) ?? resolveTask(view, ref);
      await writeNewest(context, manager, callerOf(request, 'shoal restart'), () => {
        const task = view.tasks.get(id);
        if (task === undefined) throw apiErrors.notFound('task', id);
        return [{ op: 'update', table: 'task', object: restarted(view, task) }];
      });
      return sendAnswer(reply, began, { ID: id });
    },
  );
}
