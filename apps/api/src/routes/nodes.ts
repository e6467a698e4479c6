import {
  apiErrors,
  filterKeys,
  isTrue,
  nodeFilter,
  nodeShape,
  parseFilters,
  parseNodeSpec,
  type Quorum,
  resolveNode,
} from '@shoal/docker-api';
import type { LogIndex } from '@shoal/runtime';
import type { StateView } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerWithState } from '../cluster/access.ts';
import type { Manager } from '../cluster/membership.ts';
import { write } from '../cluster/write.ts';
import type { ApiContext } from '../context.ts';
import { jsonBody, queryOf, refOf, sendEmpty, sendJson, versionOf } from '../http/exchange.ts';

export function nodeRoutes(app: FastifyInstance, context: ApiContext): void {
  const { host } = context;
  app.get('/nodes', async (request, reply) => {
    const manager = await managerWithState(host);
    const filters = parseFilters(queryOf(request)['filters'], filterKeys.nodes);
    const shown = [...manager.replica.view.nodes.values()].filter(nodeFilter(filters));
    const quorum = quorumOf(manager);
    return sendJson(
      reply,
      200,
      shown.map((node) => nodeShape(node, quorum)),
    );
  });
  app.get('/nodes/:ref', async (request, reply) => {
    const manager = await managerWithState(host);
    const node = resolveNode(manager.replica.view, refOf(request));
    return sendJson(reply, 200, nodeShape(node, quorumOf(manager)));
  });
  app.post('/nodes/:ref/update', async (request, reply) => {
    const body = jsonBody(request);
    const version = versionOf(request, 'node') as LogIndex;
    const manager = await managerWithState(host);
    const spec = parseNodeSpec(body);
    const { view } = manager.replica;
    const node = resolveNode(view, refOf(request));
    if (node.spec.Role === 'manager' && spec.Role === 'worker' && countManagers(view) <= 1)
      throw apiErrors.lastManager();
    const object = { ...node, meta: { ...node.meta, version }, spec };
    await write(context, manager, 'docker node update', [{ op: 'update', table: 'node', object }]);
    return sendEmpty(reply);
  });
  app.delete('/nodes/:ref', async (request, reply) => {
    const manager = await managerWithState(host);
    const node = resolveNode(manager.replica.view, refOf(request));
    const { id, meta } = node;
    if (node.spec.Role === 'manager') throw apiErrors.nodeIsManager(id);
    if (node.status.state === 'ready' && !isTrue(queryOf(request)['force']))
      throw apiErrors.nodeNotDown(id);
    const { version } = meta;
    await write(context, manager, 'docker node rm', [{ op: 'delete', table: 'node', id, version }]);
    return sendEmpty(reply);
  });
}

function countManagers(view: StateView): number {
  return [...view.nodes.values()].filter(({ spec }) => spec.Role === 'manager').length;
}

/** The one voter leads whenever its log can be read. */
function quorumOf({ identity, replica }: Manager): Quorum {
  return { leader: replica.ready ? identity.nodeId : undefined };
}
