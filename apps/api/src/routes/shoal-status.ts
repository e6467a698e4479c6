import type { FastifyInstance, FastifyReply } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { status } from '../openapi/answers/status.ts';
import { answering, type Operation, sendAnswer } from '../openapi/operation.ts';
import { metricsMediaType, metricsText } from '../status/metrics-text.ts';
import { type ClusterStatus, statusOf } from '../status/status.ts';

const shown = answering({
  summary: 'How the cluster stands: managers, stages, nodes, tasks, services, networks',
  answer: { name: 'Status', schema: status },
});
const measured: Operation = {
  summary: 'The same as gauges, in Prometheus’ text format',
  answer: { mediaType: metricsMediaType },
};

/** How the cluster as a whole stands, for people and for Prometheus. */
export function shoalStatusRoutes(app: FastifyInstance, context: ApiContext): void {
  const look = async (reply: FastifyReply): Promise<ClusterStatus> => {
    const manager = await managerToRead(context, reply);
    const quorum = await manager.quorum();
    return statusOf(manager.replica.view, quorum);
  };
  app.get('/shoal/v1/status', { config: { operation: shown } }, async (_request, reply) =>
    sendAnswer(reply, shown, await look(reply)),
  );
  app.get('/shoal/v1/metrics', { config: { operation: measured } }, async (_request, reply) =>
    reply.header('content-type', metricsMediaType).send(metricsText(await look(reply))),
  );
}
