import {
  ApiError,
  apiErrors,
  isTrue,
  parseClusterSpec,
  parseSwarmInit,
  swarmShape,
} from '@shoal/docker-api';
import { newJoinToken, seal, unseal } from '@shoal/pki';
import { invariant, type LogIndex } from '@shoal/runtime';
import type { Cluster } from '@shoal/state';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { managerWithState, requireManager } from '../cluster/access.ts';
import { sealedPlaces } from '../cluster/genesis.ts';
import type { Manager } from '../cluster/membership.ts';
import { write } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { jsonBody, queryOf, sendEmpty, sendJson, versionOf } from '../http/exchange.ts';

/** Making, changing and leaving the swarm. */
export function swarmRoutes(app: FastifyInstance, context: ApiContext): void {
  const { host } = context;
  app.post('/swarm/init', async (request, reply) => {
    const body = parseSwarmInit(jsonBody(request));
    return sendJson(reply, 200, await host.init(body));
  });
  app.get('/swarm', async (_request, reply) => {
    const manager = await managerWithState(host);
    const cluster = clusterOf(manager);
    const tokens = {
      Worker: openToken(manager, cluster, 'worker'),
      Manager: openToken(manager, cluster, 'manager'),
    };
    return sendJson(reply, 200, swarmShape(cluster, manager.tls, tokens));
  });
  app.post('/swarm/leave', async (request, reply) => {
    await host.leave(isTrue(queryOf(request)['force']));
    return sendEmpty(reply);
  });
  app.post('/swarm/update', async (request, reply) => {
    const body = jsonBody(request);
    const version = versionOf(request, 'swarm');
    const manager = await managerWithState(host);
    await update(context, manager, request, body, version);
    return sendEmpty(reply);
  });
  app.get('/swarm/unlockkey', async (_request, reply) => {
    await managerWithState(host);
    return sendJson(reply, 200, { UnlockKey: '' });
  });
  app.post('/swarm/unlock', async () => {
    if (host.standing.kind === 'inactive') throw apiErrors.notInSwarm();
    throw apiErrors.notLocked();
  });
  app.post('/swarm/join', async () => {
    if (host.standing.kind !== 'inactive') throw apiErrors.alreadyInSwarm();
    throw new ApiError(501, 'joining a swarm is not available yet: this version runs one node');
  });
}

async function update(
  context: ApiContext,
  manager: Manager,
  request: FastifyRequest,
  body: unknown,
  version: number,
): Promise<void> {
  const { random } = context;
  const query = queryOf(request);
  const cluster = clusterOf(manager);
  const { id, rootCa, joinTokens } = cluster;
  const { sealKey } = requireManager(context.host).identity;
  const fresh = (role: 'worker' | 'manager') =>
    seal(
      sealKey,
      newJoinToken(rootCa.certificate, random),
      sealedPlaces.joinToken(id, role),
      random,
    );
  const object: Cluster = {
    ...cluster,
    meta: { ...cluster.meta, version: version as LogIndex },
    spec: parseClusterSpec(body),
    joinTokens: {
      worker: isTrue(query['rotateWorkerToken']) ? fresh('worker') : joinTokens.worker,
      manager: isTrue(query['rotateManagerToken']) ? fresh('manager') : joinTokens.manager,
    },
  };
  await write(context, manager, 'docker swarm update', [
    { op: 'update', table: 'cluster', object },
  ]);
}

function clusterOf({ replica }: Manager): Cluster {
  const { cluster } = replica.view;
  if (cluster === undefined) throw new ApiError(503, 'the state of the swarm is being loaded');
  return cluster;
}

function openToken(
  { identity }: Manager,
  { id, joinTokens }: Cluster,
  role: 'worker' | 'manager',
): string {
  const token = unseal(identity.sealKey, joinTokens[role], sealedPlaces.joinToken(id, role));
  invariant(token !== undefined, 'a join token does not open', { cluster: id, role });
  return token.toString('utf8');
}
