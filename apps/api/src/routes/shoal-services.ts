import { apiErrors, resolveService, rfc3339Nano, serviceSpecShape } from '@shoal/docker-api';
import type { Revision, Service, StateView } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import { writeNewest } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import { queryOf, refOf } from '../http/exchange.ts';
import { revisions, rollback, rollbackQuery } from '../openapi/answers/services.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';
import { keptRevisions, revisionNumber, rolledBack } from '../services/rollback.ts';

const path = { ref: 'The service: its id, its name, or the start of its id.' };
const kept = answering({
  summary: 'The revisions of a service that are kept',
  path,
  answer: { name: 'Revisions', schema: revisions },
});
const wentBack = answering({
  summary: 'Goes back to a kept revision of a service',
  path,
  query: rollbackQuery,
  answer: { name: 'Rollback', schema: rollback },
});

/** What Docker's API cannot say of services: their history, and the way back to any point of it. */
export function shoalServiceRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    '/shoal/v1/services/:ref/revisions',
    { config: { operation: kept } },
    async (request, reply) => {
      const { view } = (await managerToRead(context, reply)).replica;
      const service = resolveService(view, refOf(request));
      return sendAnswer(reply, kept, {
        ID: service.id,
        Name: service.name,
        Revisions: keptRevisions(view, service).map((one) => revisionShape(view, service, one)),
      });
    },
  );
  app.post(
    '/shoal/v1/services/:ref/rollback',
    { config: { operation: wentBack } },
    async (request, reply) => {
      const to = revisionNumber(queryOf(request)['to']);
      const manager = await managerToWrite(context);
      const { view } = manager.replica;
      const service = resolveService(view, refOf(request));
      const {
        id,
        meta: { version: read },
      } = service;
      let way = { From: 0, To: 0 };
      await writeNewest(context, manager, callerOf(request, 'shoal rollback'), () => {
        const newest = view.services.get(id);
        if (newest === undefined) throw apiErrors.notFound('service', id);
        manager.specs.checkRead(newest, read);
        const object = rolledBack(context.clock, view, newest, to);
        way = { From: newest.revision, To: object.revision };
        return [{ op: 'update', table: 'service', object }];
      });
      return sendAnswer(reply, wentBack, { ID: id, ...way });
    },
  );
}

function revisionShape(view: StateView, service: Service, { number, meta, spec }: Revision) {
  let tasks = 0;
  for (const task of view.tasks.byService(service.id))
    if (task.revision === number && task.status.state === 'running') tasks += 1;
  return {
    Number: number,
    CreatedAt: rfc3339Nano(meta.createdAt),
    Current: number === service.revision,
    Previous: number === service.previousRevision,
    RunningTasks: tasks,
    Spec: serviceSpecShape(spec, false),
  };
}
