import {
  apiErrors,
  filterKeys,
  isForSwarm,
  type NetworkRequest,
  networkFilter,
  networkSpec,
  parseConnectRequest,
  parseFilters,
  parseNetworkRequest,
  peersShape,
} from '@shoal/docker-api';
import { passRequest } from '@shoal/link/proxy';
import { askNetwork, hostNetworksSocket } from '@shoal/overlay';
import { newId } from '@shoal/runtime';
import { type Network, newMeta } from '@shoal/state';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import { write } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { type Caller, callerOf } from '../http/caller.ts';
import { arrivalOf, flagOf, jsonBody, queryOf, refOf, sendJson } from '../http/exchange.ts';
import {
  type EngineNetwork,
  inspectNetwork,
  listNetworks,
  standIns,
  standsFor,
} from '../networks/engine-networks.ts';
import { findNetwork, findShown, findToChange, ownNetworks } from '../networks/find.ts';
import { pruneEngine, pruneSwarm } from '../networks/prune.ts';
import { removeNetwork } from '../networks/removal.ts';
import { networkToConnect } from '../networks/run-attached.ts';
import {
  inspected,
  isStandIn,
  type Listed,
  listedOfEngine,
  listedOfSwarm,
  shownOfEngine,
} from '../networks/shown.ts';

/**
 * Networks of the host and of the swarm under one roof. A manager knows the swarm's; a worker shows what
 * stands on it for them. Everything else is the engine's.
 */
export function networkRoutes(app: FastifyInstance, context: ApiContext): void {
  const { engine, host } = context;
  app.get('/networks', async (request, reply) => {
    if (!isMember(context)) return toEngine(context, request, reply);
    const filters = parseFilters(queryOf(request)['filters'], filterKeys.networks);
    const isShown = networkFilter(filters);
    const own = await listNetworks(engine, arrivalOf(request).url);
    const shared = (await sharedNetworks(context, reply)).filter(isShown);
    return sendJson(reply, 200, [
      ...shared.map(({ shape }) => shape),
      ...own.filter((network) => !isStandIn(network)),
    ]);
  });
  app.get('/networks/:ref', async (request, reply) => {
    if (!isMember(context)) return toEngine(context, request, reply);
    return sendJson(reply, 200, await inspect(context, request, reply));
  });
  app.post('/networks/create', async (request, reply) => {
    const asked = parseNetworkRequest(jsonBody(request));
    if (isForSwarm(asked)) {
      if (host.standing.kind !== 'manager') throw apiErrors.notManagerForNetwork();
      return sendJson(reply, 201, {
        Id: await create(context, asked, callerOf(request, 'docker network create')),
        Warning: '',
      });
    }
    if (host.standing.kind === 'manager') {
      const { view } = (await managerToRead(context, reply)).replica;
      const taken = view.networks.byName(asked.Name ?? '');
      if (taken !== undefined && !taken.spec.Predefined)
        throw apiErrors.networkExists(taken.spec.Name);
    }
    return toEngineRead(context, request, reply, arrivalOf(request).url);
  });
  app.delete('/networks/:ref', async (request, reply) => {
    if (!isMember(context)) return toEngine(context, request, reply);
    const ref = refOf(request);
    if (host.standing.kind === 'worker') {
      const shown = (await standIns(engine)).map(shownOfEngine);
      if (findShown(shown, ref) !== undefined) throw apiErrors.worker();
      return toEngine(context, request, reply);
    }
    const found = await findToChange(context, ref);
    if (found.kind === 'engine') return toEngine(context, request, reply);
    await removeNetwork(
      context,
      found.manager,
      found.network.id,
      callerOf(request, 'docker network rm'),
    );
    return reply.code(204).send();
  });
  app.post('/networks/prune', async (request, reply) => {
    if (!isMember(context)) return toEngineRead(context, request, reply, arrivalOf(request).url);
    const filters = parseFilters(queryOf(request)['filters'], filterKeys.networksPrune);
    const local = await pruneEngine(context, filters);
    const shared =
      host.standing.kind === 'manager'
        ? await pruneSwarm(context, filters, callerOf(request, 'docker network prune'))
        : [];
    const removed = [...local, ...shared];
    return sendJson(reply, 200, { NetworksDeleted: removed.length === 0 ? null : removed });
  });
  app.post('/networks/:ref/connect', async (request, reply) => {
    const { Container = '' } = parseConnectRequest(jsonBody(request));
    const engineNetwork = await networkToConnect(context, refOf(request), Container);
    return toEngineRead(context, request, reply, forNetwork(request, engineNetwork));
  });
  app.post('/networks/:ref/disconnect', async (request, reply) => {
    const engineNetwork = await standInOf(context, refOf(request));
    return toEngineRead(context, request, reply, forNetwork(request, engineNetwork));
  });
}

/** Others know nothing of a swarm: their networks are the engine's. */
function isMember({ host }: ApiContext): boolean {
  return host.standing.kind === 'manager' || host.standing.kind === 'worker';
}

async function sharedNetworks(context: ApiContext, reply: FastifyReply): Promise<Listed[]> {
  if (context.host.standing.kind === 'worker')
    return (await standIns(context.engine)).map(listedOfEngine);
  return listedOfSwarm((await managerToRead(context, reply)).replica.view);
}

/** A worker has no log: who takes part in the network, its own agent knows. */
async function shownOfWorker(
  { dataDir, clock }: ApiContext,
  network: EngineNetwork,
): Promise<object> {
  const shown = shownOfEngine(network);
  const socket = hostNetworksSocket(dataDir);
  const peers = peersShape(await askNetwork({ socket, networkId: shown.Id, clock }));
  return peers.length === 0 ? shown : { ...shown, Peers: peers };
}

async function inspect(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<object> {
  const { engine, host } = context;
  const ref = refOf(request);
  const { scope = '' } = queryOf(request);
  const verbose = flagOf(request, 'verbose', true);
  if (host.standing.kind === 'worker') {
    const shown = (await standIns(engine)).map((standIn) => ({
      ...shownOfEngine(standIn),
      standIn,
    }));
    const found = findShown(shown, ref);
    const path = found === undefined ? arrivalOf(request).url : `/networks/${found.standIn.Id}`;
    const network = await inspectNetwork(engine, path);
    return isStandIn(network) ? shownOfWorker(context, network) : network;
  }
  const manager = await managerToRead(context, reply);
  const { view } = manager.replica;
  const found = await findNetwork(engine, view, ref, scope);
  const show = (network: Network): Promise<object> =>
    inspected(engine, view, network, manager.identity.nodeId, verbose);
  if (found.kind === 'swarm') return show(found.network);
  const network = await inspectNetwork(engine, arrivalOf(request).url);
  const id = standsFor(network);
  if (id === undefined) return network;
  // What stands on this host for a network of the swarm is none of another scope.
  const stands = scope === '' ? view.networks.get(id) : undefined;
  // What was made here for a network that is no more goes soon.
  if (stands === undefined) throw apiErrors.notFound('network', ref);
  return show(stands);
}

/** @throws ApiError */
async function create(context: ApiContext, asked: NetworkRequest, caller: Caller): Promise<string> {
  const manager = await managerToWrite(context);
  const local = new Set((await ownNetworks(context.engine)).map(({ Name }) => Name));
  const object: Network = {
    id: newId(context.random),
    meta: newMeta,
    spec: networkSpec(manager.replica.view, asked, local),
  };
  await write(context, manager, caller, [{ op: 'create', table: 'network', object }]);
  return object.id;
}

/** What stands on this host for the swarm's network; undefined for networks of the engine. */
async function standInOf(context: ApiContext, ref: string): Promise<string | undefined> {
  const { engine, host } = context;
  switch (host.standing.kind) {
    case 'manager': {
      const found = await findToChange(context, ref);
      return found.kind === 'engine'
        ? undefined
        : (await standIns(engine, found.network.id))[0]?.Id;
    }
    case 'worker': {
      const all = await standIns(engine);
      return findShown(
        all.map((standIn) => ({ ...shownOfEngine(standIn), standIn })),
        ref,
      )?.standIn.Id;
    }
    default:
      return undefined;
  }
}

/** The request's target with another network in it. */
function forNetwork(request: FastifyRequest, engineNetwork: string | undefined): string {
  const { url } = arrivalOf(request);
  if (engineNetwork === undefined) return url;
  return url.replace(/(\/networks\/)[^/?]+/, `$1${encodeURIComponent(engineNetwork)}`);
}

async function toEngine(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  reply.hijack();
  request.raw.url = arrivalOf(request).url;
  await passRequest(context.engine, request.raw, reply.raw);
  return reply;
}

/** Passes a request on whose body was read already: the text is sent once more, to `url`. */
async function toEngineRead(
  context: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  url: string,
): Promise<FastifyReply> {
  const body = typeof request.body === 'string' ? request.body : '';
  reply.hijack();
  await passRequest(context.engine, request.raw, reply.raw, { url, body });
  return reply;
}
