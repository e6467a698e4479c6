import type { Manager, SwarmView } from '@shoal/proto';
import type { StateView } from '@shoal/state';

/** Every dispatcher that lives, sorted by address. */
export function dispatchers(view: StateView): Manager[] {
  const found: Manager[] = [];
  for (const lease of view.leases.byStage('dispatcher')) {
    if (lease.address !== '') found.push({ nodeId: lease.nodeId, dispatcherAddr: lease.address });
  }
  return found.sort((a, b) => (a.dispatcherAddr < b.dispatcherAddr ? -1 : 1));
}

/** What the agent of a node must know of the swarm; undefined for a node that is not in it. */
export function swarmView(view: StateView, nodeId: string): SwarmView | undefined {
  const node = view.nodes.get(nodeId);
  if (node === undefined) return undefined;
  return { node: Buffer.from(JSON.stringify(node)), managers: dispatchers(view) };
}
