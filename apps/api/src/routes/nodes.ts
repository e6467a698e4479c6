import {
  apiErrors,
  filterKeys,
  invalidArgument,
  isTrue,
  nodeFilter,
  nodeShape,
  parseFilters,
  parseNodeSpec,
  resolveNode,
} from '@shoal/docker-api';
import { checkDrainLabels, nodeRemoval } from '@shoal/state';
import type { FastifyInstance } from 'fastify';
import { managerToRead, managerToWrite } from '../cluster/access.ts';
import { noQuorum } from '../cluster/standing.ts';
import { writeNewest } from '../cluster/write.ts';
import type { RouteContext } from '../context.ts';
import { callerOf } from '../http/caller.ts';
import { jsonBody, queryOf, refOf, sendEmpty, sendJson, versionOf } from '../http/exchange.ts';
import { checkDemotion } from '../nodes/changes.ts';

export function nodeRoutes(app: FastifyInstance, context: RouteContext): void {
  app.get('/nodes', async (request, reply) => {
    const manager = await managerToRead(context, reply);
    const filters = parseFilters(queryOf(request)['filters'], filterKeys.nodes);
    const isShown = nodeFilter(filters);
    const quorum = await manager.quorum();
    const { nodes } = manager.replica.view;
    return context.lists.send(reply, nodes.size, () => {
      const items = [...manager.replica.view.nodes.values()].filter(isShown);
      return { items, write: (node) => JSON.stringify(nodeShape(node, quorum)) };
    });
  });
  app.get('/nodes/:ref', async (request, reply) => {
    const manager = await managerToRead(context, reply);
    const node = resolveNode(manager.replica.view, refOf(request));
    return sendJson(reply, 200, nodeShape(node, await manager.quorum()));
  });
  app.post('/nodes/:ref/update', async (request, reply) => {
    const body = jsonBody(request);
    const version = versionOf(request, 'node');
    const manager = await managerToWrite(context);
    const spec = parseNodeSpec(body);
    const fault = checkDrainLabels(spec.Labels);
    if (fault !== undefined) throw invalidArgument(fault);
    const node = resolveNode(manager.replica.view, refOf(request));
    const { id } = node;
    const isDemotion = node.spec.Role === 'manager' && spec.Role === 'worker';
    const quorum = isDemotion ? await manager.quorum() : noQuorum;
    await writeNewest(context, manager, callerOf(request, 'docker node update'), () => {
      const { view } = manager.replica;
      const newest = view.nodes.get(id);
      if (newest === undefined) throw apiErrors.notFound('node', id);
      if (isDemotion) checkDemotion(view, newest, quorum);
      manager.specs.checkRead(newest, version);
      return [{ op: 'update', table: 'node', object: { ...newest, spec } }];
    });
    return sendEmpty(reply);
  });
  app.delete('/nodes/:ref', async (request, reply) => {
    const manager = await managerToWrite(context);
    const { view } = manager.replica;
    const node = resolveNode(view, refOf(request));
    if (node.role === 'manager' || node.spec.Role === 'manager')
      throw apiErrors.nodeIsManager(node.id);
    if (node.status.state === 'ready' && !isTrue(queryOf(request)['force']))
      throw apiErrors.nodeNotDown(node.id);
    await writeNewest(context, manager, callerOf(request, 'docker node rm'), () => {
      const current = view.nodes.get(node.id);
      if (current === undefined) throw apiErrors.notFound('node', node.id);
      return nodeRemoval(view, current, context.clock.now());
    });
    return sendEmpty(reply);
  });
}
