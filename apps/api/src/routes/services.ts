import {
  type ApiVersion,
  apiErrors,
  currentRevision,
  filterKeys,
  gatheredServiceShape,
  gatherService,
  isOlder,
  normaliseServiceSpec,
  parseFilters,
  readServiceSpec,
  resolveService,
  serviceFilter,
  serviceShape,
} from '@shoal/docker-api';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { decideToAdd, managerToRead, managerToWrite } from '../cluster/access.ts';
import { write, writeNewest } from '../cluster/write.ts';
import type { RouteContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import {
  arrivalOf,
  flagOf,
  jsonBody,
  queryOf,
  refOf,
  sendEmpty,
  sendJson,
  versionOf,
} from '../http/exchange.ts';
import { sendLogs } from '../logs/log-response.ts';
import { creation, restsOnOthers } from '../services/create.ts';
import { resolveNetworks } from '../services/networks.ts';
import { pinImage } from '../services/pin.ts';
import { carriedAuth, update } from '../services/update.ts';
import { warningsOf } from '../services/warnings.ts';

export function serviceRoutes(app: FastifyInstance, context: RouteContext): void {
  app.get('/services', async (request, reply) => {
    const { view } = (await managerToRead(context, reply)).replica;
    const filters = parseFilters(queryOf(request)['filters'], filterKeys.services);
    const options = { insertDefaults: false, status: asksForStatus(request) };
    return context.lists.send(reply, view.services.size, () => {
      const shown = [...view.services.values()].filter(serviceFilter(view, filters));
      const items = shown.map((service) => gatherService(view, service, options));
      return { items, write: (item) => JSON.stringify(gatheredServiceShape(item, options)) };
    });
  });
  app.get('/services/:ref', async (request, reply) => {
    const { view } = (await managerToRead(context, reply)).replica;
    const insertDefaults = flagOf(request, 'insertDefaults', true);
    const service = resolveService(view, refOf(request));
    return sendJson(reply, 200, serviceShape(view, service, { insertDefaults, status: false }));
  });
  app.post('/services/create', async (request, reply) => {
    const { version } = arrivalOf(request);
    const asked = readServiceSpec(jsonBody(request), version);
    const registryAuth = registryAuthOf(request);
    if (restsOnOthers(asked)) await managerToWrite(context);
    const { manager, decided } = await decideToAdd(context, async (current) => {
      const { engine } = context;
      const resolved = await resolveNetworks(engine, current.replica.view, asked);
      const spec = normaliseServiceSpec(resolved);
      const { pinned, warnings } = await pinImage(engine, version, spec, registryAuth);
      const created = creation(context, current, pinned, registryAuth);
      return { created, warnings: warningsOf(pinned.spec, undefined, warnings) };
    });
    const { created, warnings } = decided;
    await write(context, manager, callerOf(request, 'docker service create'), created.changes);
    return sendJson(reply, 201, { ID: created.id, Warnings: warnings });
  });
  app.post('/services/:ref/update', async (request, reply) => {
    const arrival = arrivalOf(request);
    const asked = readServiceSpec(jsonBody(request), arrival.version);
    const version = versionOf(request, 'service');
    const manager = await managerToWrite(context);
    const { view } = manager.replica;
    const spec = normaliseServiceSpec(await resolveNetworks(context.engine, view, asked));
    const service = resolveService(view, refOf(request));
    const { id } = service;
    const { rollback = '', registryAuthFrom = '' } = queryOf(request);
    const registryAuth = carriedAuth(manager, service, {
      registryAuth: registryAuthOf(request),
      registryAuthFrom,
    });
    const { engine } = context;
    const { pinned, warnings } = await pinImage(engine, arrival.version, spec, registryAuth);
    const asking = { spec: pinned, rollback, registryAuth };
    await writeNewest(context, manager, callerOf(request, 'docker service update'), () => {
      const newest = view.services.get(id);
      if (newest === undefined) throw apiErrors.notFound('service', id);
      const changes = update(context, manager, newest, asking);
      manager.specs.checkRead(newest, version);
      return changes;
    });
    const { scaling } = view.services.get(id) ?? {};
    return sendJson(reply, 200, { Warnings: warningsOf(pinned.spec, scaling, warnings) });
  });
  app.delete('/services/:ref', async (request, reply) => {
    const manager = await managerToWrite(context);
    const { view } = manager.replica;
    const { id } = resolveService(view, refOf(request));
    await writeNewest(context, manager, callerOf(request, 'docker service rm'), () => {
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

const statusSince: ApiVersion = { major: 1, minor: 41 };

/** Older clients do not know of it: they send it by mistake, if at all. */
function asksForStatus(request: FastifyRequest): boolean {
  return !isOlder(arrivalOf(request).version, statusSince) && flagOf(request, 'status', true);
}

/** The credentials as the client encoded them; a request without has none. */
function registryAuthOf(request: FastifyRequest): string {
  const header = request.headers['x-registry-auth'];
  return typeof header === 'string' ? header : '';
}
