import {
  apiErrors,
  currentRevision,
  filterKeys,
  isTrue,
  parseFilters,
  parseServiceSpec,
  resolveService,
  serviceFilter,
  serviceShape,
} from '@shoal/docker-api';
import type { LogIndex } from '@shoal/runtime';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import { write, writeNewest } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import {
  arrivalOf,
  jsonBody,
  queryOf,
  refOf,
  sendEmpty,
  sendJson,
  versionOf,
} from '../http/exchange.ts';
import { sendLogs } from '../logs/log-response.ts';
import { creation } from '../services/create.ts';
import { resolveNetworks } from '../services/networks.ts';
import { update } from '../services/update.ts';

export function serviceRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/services', async (request, reply) => {
    const { view } = (await managerToRead(context, reply)).replica;
    const query = queryOf(request);
    const isShown = serviceFilter(view, parseFilters(query['filters'], filterKeys.services));
    const options = { insertDefaults: false, status: isTrue(query['status']) };
    const shown = [...view.services.values()].filter(isShown);
    return sendJson(
      reply,
      200,
      shown.map((service) => serviceShape(view, service, options)),
    );
  });
  app.get('/services/:ref', async (request, reply) => {
    const { view } = (await managerToRead(context, reply)).replica;
    const insertDefaults = isTrue(queryOf(request)['insertDefaults']);
    const service = resolveService(view, refOf(request));
    return sendJson(reply, 200, serviceShape(view, service, { insertDefaults, status: false }));
  });
  app.post('/services/create', async (request, reply) => {
    const body = jsonBody(request);
    const manager = await managerToWrite(context);
    const { view } = manager.replica;
    const spec = parseServiceSpec(body, arrivalOf(request).version);
    const resolved = await resolveNetworks(context.engine, view, spec);
    const created = creation(context, manager, resolved, registryAuthOf(request));
    await write(context, manager, 'docker service create', created.changes);
    return sendJson(reply, 201, { ID: created.id, Warnings: null });
  });
  app.post('/services/:ref/update', async (request, reply) => {
    const body = jsonBody(request);
    const version = versionOf(request, 'service') as LogIndex;
    const manager = await managerToWrite(context);
    const { view } = manager.replica;
    const service = resolveService(view, refOf(request));
    const { rollback = '', registryAuthFrom = '' } = queryOf(request);
    const spec = parseServiceSpec(body, arrivalOf(request).version);
    const resolved = await resolveNetworks(context.engine, view, spec);
    const changes = update(context, manager, service, {
      spec: resolved,
      version,
      rollback,
      registryAuthFrom,
      registryAuth: registryAuthOf(request),
    });
    await write(context, manager, 'docker service update', changes);
    return sendJson(reply, 200, { Warnings: null });
  });
  app.delete('/services/:ref', async (request, reply) => {
    const manager = await managerToWrite(context);
    const { view } = manager.replica;
    const { id } = resolveService(view, refOf(request));
    await writeNewest(context, manager, 'docker service rm', () => {
      const service = view.services.get(id);
      if (service === undefined) throw apiErrors.notFound('service', id);
      return [{ op: 'delete', table: 'service', id, version: service.meta.version }];
    });
    return sendEmpty(reply);
  });
  app.get('/services/:ref/logs', async (request, reply) => {
    const manager = await managerToRead(context, reply);
    const { view } = manager.replica;
    const service = resolveService(view, refOf(request));
    const { number } = currentRevision(view, service);
    return sendLogs(context, manager, request, reply, { serviceId: service.id, revision: number });
  });
}

/** The credentials as the client encoded them; a request without has none. */
function registryAuthOf(request: FastifyRequest): string {
  const header = request.headers['x-registry-auth'];
  return typeof header === 'string' ? header : '';
}
