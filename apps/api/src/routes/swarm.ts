import {
  ApiError,
  apiErrors,
  asksForNewCluster,
  isTrue,
  parseSwarmInit,
  parseSwarmJoin,
  parseSwarmUnlock,
  parseSwarmUpdate,
  swarmShape,
} from '@shoal/docker-api';
import type { Cluster } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import { openSealed, sealedPlaces } from '../cluster/sealed.ts';
import type { Manager } from '../cluster/standing.ts';
import { clusterTls } from '../cluster/trust.ts';
import { writeNewest } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import {
  arrivalOf,
  flagOf,
  jsonBody,
  queryOf,
  sendEmpty,
  sendJson,
  versionOf,
} from '../http/exchange.ts';
import { changedCluster } from '../swarm/update.ts';

/** Making, joining, changing, unlocking and leaving the swarm. */
export function swarmRoutes(app: FastifyInstance, context: ApiContext): void {
  const { host } = context;
  app.post('/swarm/init', async (request, reply) => {
    const body = jsonBody(request);
    if (host.standing.kind !== 'inactive' && !asksForNewCluster(body))
      throw apiErrors.alreadyInSwarm();
    return sendJson(reply, 200, await host.init(parseSwarmInit(body, arrivalOf(request).version)));
  });
  app.post('/swarm/join', async (request, reply) => {
    const body = jsonBody(request);
    if (host.standing.kind !== 'inactive') throw apiErrors.alreadyInSwarm();
    await host.join(parseSwarmJoin(body));
    return sendEmpty(reply);
  });
  app.get('/swarm', async (_request, reply) => {
    const manager = await managerToRead(context, reply);
    const cluster = clusterOf(manager);
    const tokens = {
      Worker: token(manager, cluster, 'worker'),
      Manager: token(manager, cluster, 'manager'),
    };
    return sendJson(reply, 200, swarmShape(cluster, await clusterTls(cluster), tokens));
  });
  app.post('/swarm/leave', async (request, reply) => {
    await host.leave(isTrue(queryOf(request)['force']));
    return sendEmpty(reply);
  });
  app.post('/swarm/update', async (request, reply) => {
    const body = jsonBody(request);
    const version = versionOf(request, 'swarm');
    const rotations = {
      rotateWorkerToken: flagOf(request, 'rotateWorkerToken', false),
      rotateManagerToken: flagOf(request, 'rotateManagerToken', false),
      rotateUnlockKey: flagOf(request, 'rotateManagerUnlockKey', false),
    };
    const manager = await managerToWrite(context);
    const change = { ...parseSwarmUpdate(body), ...rotations };
    const ports = { sealKey: manager.sealKey, clock: context.clock, random: context.random };
    await writeNewest(context, manager, callerOf(request, 'docker swarm update'), async () => {
      const cluster = clusterOf(manager);
      const object = await changedCluster(cluster, change, ports);
      manager.specs.checkRead(cluster, version);
      return [{ op: 'update', table: 'cluster', object }];
    });
    return sendEmpty(reply);
  });
  app.get('/swarm/unlockkey', async (_request, reply) => {
    const manager = await managerToRead(context, reply);
    const { id, unlockKey } = clusterOf(manager);
    const UnlockKey =
      unlockKey === undefined
        ? ''
        : openSealed(manager.sealKey, unlockKey.key, sealedPlaces.unlockKey(id));
    return sendJson(reply, 200, { UnlockKey });
  });
  app.post('/swarm/unlock', async (request, reply) => {
    await host.unlock(parseSwarmUnlock(jsonBody(request)));
    return sendEmpty(reply);
  });
}

function clusterOf({ replica }: Manager): Cluster {
  const { cluster } = replica.view;
  if (cluster === undefined) throw new ApiError(503, 'the state of the swarm is being loaded');
  return cluster;
}

function token(
  { sealKey }: Manager,
  { id, joinTokens }: Cluster,
  role: 'worker' | 'manager',
): string {
  return openSealed(sealKey, joinTokens[role], sealedPlaces.joinToken(id, role));
}
