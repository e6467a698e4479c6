import { ApiError, invalidArgument } from '@shoal/docker-api';
import type { Cluster } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import type { Manager } from '../cluster/standing.ts';
import { writeNewest } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { jsonBody, sendJson } from '../http/exchange.ts';
import { changedLabels, settingsOf } from '../settings/settings.ts';

const change = z.record(z.string().max(128), z.string().max(1_024).nullable());

/** The cluster's own wishes, which services may overrule by their labels. */
export function shoalSettingsRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/shoal/v1/settings', async (_request, reply) => {
    const manager = await managerToRead(context, reply);
    return sendJson(reply, 200, { settings: settingsOf(clusterOf(manager)) });
  });
  app.put('/shoal/v1/settings', async (request, reply) => {
    const parsed = change.safeParse(jsonBody(request));
    if (!parsed.success)
      throw invalidArgument('settings are an object of names and texts; null takes one back');
    const manager = await managerToWrite(context);
    await writeNewest(context, manager, 'shoal settings', () => {
      const cluster = clusterOf(manager);
      const changed = changedLabels(cluster.spec.Labels, parsed.data);
      if (changed.kind === 'refused') throw invalidArgument(changed.reason);
      const object = { ...cluster, spec: { ...cluster.spec, Labels: changed.labels } };
      return [{ op: 'update', table: 'cluster', object }];
    });
    return sendJson(reply, 200, { settings: settingsOf(clusterOf(manager)) });
  });
}

function clusterOf({ replica }: Manager): Cluster {
  const { cluster } = replica.view;
  if (cluster === undefined) throw new ApiError(503, 'the state of the swarm is being loaded');
  return cluster;
}
