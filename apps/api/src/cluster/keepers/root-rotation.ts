import { finishRotation, rotationProgress } from '@shoal/pki';
import { newId } from '@shoal/runtime';
import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { sealedToken } from '../sealed.ts';
import { Keeper } from './keeper.ts';

/** As Swarm's reconciler. */
const everyMs = 3_000;

/**
 * Ends a rotation of the root once every node has a certificate of the new one. Nodes learn from their
 * sessions which root that is. The leader's host alone does it: others would only be refused.
 */
export function keepRoot(manager: HostedManager, options: MembershipOptions): () => Promise<void> {
  const { clock, random, logger } = options;
  const { replica, identity } = manager;
  const look = async (): Promise<void> => {
    const { cluster } = replica.view;
    if (!replica.ready || cluster?.rootCa.rotation === undefined) return;
    if ((await manager.quorum()).leader !== identity.nodeId) return;
    const waiting = await rotationProgress(replica.view);
    if (waiting.length > 0) {
      logger.debug({ waiting: waiting.length }, 'root_rotation_waits');
      return;
    }
    const object = finishRotation(cluster, (role, root) =>
      sealedToken(manager.sealKey, cluster.id, role, root, random),
    );
    const result = await replica.propose([
      {
        id: newId(random),
        actor: { kind: 'system', name: 'root rotation' },
        reason: 'every node has a certificate of the new root',
        decidedAt: replica.view.index,
        changes: [{ op: 'update', table: 'cluster', object }],
      },
    ]);
    const outcome = result.kind === 'applied' ? result.outcomes[0]?.kind : result.message;
    logger.info({ outcome }, 'root_rotation_finished');
  };
  const keeper = new Keeper({ name: 'root rotation', everyMs, clock, logger, look });
  return () => keeper.stop();
}
