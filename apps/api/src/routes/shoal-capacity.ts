import { isBefore, isTerminal, type StateView } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead } from '../cluster/access.ts';
import type { ApiContext } from '../context.ts';
import { capacity, places } from '../openapi/answers/capacity.ts';
import { answering, sendAnswer } from '../openapi/operation.ts';
import { capacityOfNodes } from '../status/capacity.ts';

const weighed = answering({
  summary: 'What the nodes have, and what their tasks have reserved of it',
  answer: { name: 'Capacity', schema: capacity },
});
const placed = answering({
  summary: 'Where each task is, in few words',
  answer: { name: 'Places', schema: places },
});

/** How full the nodes are, and with what. */
export function shoalCapacityRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get('/shoal/v1/capacity', { config: { operation: weighed } }, async (_request, reply) => {
    const { replica } = await managerToRead(context, reply);
    return sendAnswer(reply, weighed, capacityOfNodes(replica.view));
  });
  app.get('/shoal/v1/places', { config: { operation: placed } }, async (_request, reply) => {
    const { replica } = await managerToRead(context, reply);
    const { view } = replica;
    return sendAnswer(reply, placed, { logIndex: view.index, tasks: placesIn(view) });
  });
}

function placesIn({ tasks }: StateView) {
  const found = [];
  for (const { id, serviceId: service, slot, nodeId: node, status, desired } of tasks.values()) {
    const { state, err } = status;
    if (service === '' || !isBefore(desired, 'shutdown') || isTerminal(state)) continue;
    found.push({ id, service, slot, node, state, ...(err === '' ? {} : { err }) });
  }
  return found;
}
