import { newId } from '@shoal/runtime';
import type { Change } from '@shoal/state';
import { ingressNetwork } from '../genesis.ts';
import type { HostedManager } from '../hosted-manager.ts';
import type { MembershipOptions } from '../options.ts';
import { Keeper } from './keeper.ts';

const everyMs = 3_000;

/**
 * Makes the ingress network in a swarm that was founded before there was one. Once it was made it is a
 * person's to remove. The leader's host alone does it: others would only be refused.
 */
export function keepIngress(
  manager: Pick<HostedManager, 'replica' | 'identity' | 'quorum'>,
  options: Pick<MembershipOptions, 'clock' | 'random' | 'logger'>,
): () => Promise<void> {
  const { clock, random, logger } = options;
  const { replica, identity } = manager;
  const look = async (): Promise<void> => {
    const { cluster, networks, index } = replica.view;
    if (!replica.ready || cluster === undefined || cluster.ingressMade === true) return;
    if ((await manager.quorum()).leader !== identity.nodeId) return;
    const object = { ...cluster, ingressMade: true } as const;
    const made: Change = { op: 'update', table: 'cluster', object };
    const network: Change = { op: 'create', table: 'network', object: ingressNetwork(random) };
    const result = await replica.propose([
      {
        id: newId(random),
        actor: { kind: 'system', name: 'ingress network' },
        reason: 'the swarm was founded without the network of the routing mesh',
        decidedAt: index,
        changes: networks.ingress === undefined ? [made, network] : [made],
      },
    ]);
    const outcome = result.kind === 'applied' ? result.outcomes[0]?.kind : result.message;
    logger.info({ outcome }, 'ingress_network_made');
  };
  const keeper = new Keeper({ name: 'ingress network', everyMs, clock, logger, look });
  return () => keeper.stop();
}
