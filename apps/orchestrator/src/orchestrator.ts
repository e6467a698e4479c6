import type { Instant } from '@shoal/runtime';
import type { Stage } from '@shoal/stage';
import { rebalanceKey } from '@shoal/state';
import { lostNodeOfKey, movesOf } from './drain/lost.ts';
import { nodeKey, nodeOfKey, tendNode } from './drain/progress.ts';
import type { Moves } from './plan.ts';
import { absentNodeOfKey, removeAbsent } from './reaper/absent-nodes.ts';
import { giveUpLost } from './reaper/lost-nodes.ts';
import { Rebalancer } from './rebalance/rebalancer.ts';
import { orphanedServices, reconcile } from './reconcile.ts';
import { concerned } from './relevance.ts';

/**
 * Turns services into tasks and keeps them so. Decisions are keyed by service id; those about a node
 * itself by the node.
 */
export function createOrchestrator(): Stage {
  const rebalancer = new Rebalancer();
  /** When this replica looked for the first time. */
  let begun: Instant | undefined;
  return {
    name: 'orchestrator',
    *step(view, changed, now, mine) {
      begun ??= now;
      rebalancer.note(view, changed);
      const { services, nodes } = concerned(view, changed.changes, now);
      // A move of a whole node that was refused is tried again service by service.
      const apart = new Set<string>();
      for (const key of changed.due) {
        const lost = lostNodeOfKey(key);
        const node = nodeOfKey(key) ?? absentNodeOfKey(key);
        if (lost !== undefined)
          for (const { serviceId } of view.tasks.byNode(lost)) apart.add(serviceId);
        else if (node !== undefined) nodes.add(node);
        else if (key !== rebalanceKey) services.add(key);
      }
      for (const id of apart) services.add(id);
      if (changed.everything) {
        for (const { id } of view.services.values()) services.add(id);
        for (const { id } of view.nodes.values()) nodes.add(id);
        for (const id of orphanedServices(view)) services.add(id);
      }
      const moves: Moves = new Map();
      for (const id of services)
        if (mine(id)) yield* reconcile(view, id, now, apart.has(id) ? undefined : moves);
      yield* movesOf(view, moves);
      for (const id of nodes) {
        if (!mine(nodeKey(id))) continue;
        yield* tendNode(view, id, now);
        const removal = [...removeAbsent(view, id, now, begun)];
        yield* removal;
        // With the node goes what it had.
        if (removal.every(({ kind }) => kind === 'wake')) yield* giveUpLost(view, id, now);
      }
      if (mine(rebalanceKey)) yield* rebalancer.decide(view, changed, now);
    },
  };
}
