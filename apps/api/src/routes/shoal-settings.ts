import { ApiError } from '@shoal/docker-api';
import type { Cluster } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import type { Manager } from '../cluster/standing.ts';
import { writeNewest } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import { jsonBody } from '../http/exchange.ts';
import { settings, settingsChange } from '../openapi/answers/services.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';
import { changedLabels, settingsOf } from '../settings/settings.ts';

const answer = { name: 'Settings', schema: settings };
const shown = answering({ summary: 'The cluster’s settings: what is set, and what holds', answer });
const changed = answering({
  summary: 'Changes settings of the cluster; those that are not named stay',
  body: { name: 'SettingsChange', schema: settingsChange },
  answer,
});

/** The cluster's own wishes, which services may overrule by their labels. */
export function shoalSettingsRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/shoal/v1/settings', { config: { operation: shown } }, async (_request, reply) => {
    const manager = await managerToRead(context, reply);
    return sendAnswer(reply, shown, { settings: settingsOf(clusterOf(manager)) });
  });
  app.put('/shoal/v1/settings', { config: { operation: changed } }, async (request, reply) => {
    const parsed = settingsChange.safeParse(jsonBody(request));
    if (!parsed.success)
      throw new ApiError(400, 'settings are an object of names and texts; null takes one back');
    const manager = await managerToWrite(context);
    await writeNewest(context, manager, callerOf(request, 'shoal settings'), () => {
      const cluster = clusterOf(manager);
      const next = changedLabels(cluster.spec.Labels, parsed.data);
      if (next.kind === 'refused') throw new ApiError(400, next.reason);
      const object = { ...cluster, spec: { ...cluster.spec, Labels: next.labels } };
      return [{ op: 'update', table: 'cluster', object }];
    });
    return sendAnswer(reply, changed, { settings: settingsOf(clusterOf(manager)) });
  });
}

function clusterOf({ replica }: Manager): Cluster {
  const { cluster } = replica.view;
  if (cluster === undefined) throw new ApiError(503, 'the state of the swarm is being loaded');
  return cluster;
}
