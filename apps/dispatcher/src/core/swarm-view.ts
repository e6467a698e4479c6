import { signingRoot, trustRootsOf } from '@shoal/pki';
import type { Manager, SwarmView } from '@shoal/proto';
import type { StateView } from '@shoal/state';

/** Every manager, once for each of its dispatchers that lives; sorted. */
export function managersOf(view: StateView): Manager[] {
  const found: Manager[] = [];
  const served = new Set<string>();
  for (const { nodeId, address } of view.leases.byStage('dispatcher')) {
    if (address === '') continue;
    served.add(nodeId);
    const logAddr = view.nodes.get(nodeId)?.manager?.addr ?? '';
    found.push({ nodeId, dispatcherAddr: address, logAddr });
  }
  for (const { id, manager } of view.nodes.values())
    if (manager !== undefined && !served.has(id))
      found.push({ nodeId: id, dispatcherAddr: '', logAddr: manager.addr });
  const key = ({ dispatcherAddr, nodeId }: Manager): string => `${dispatcherAddr} ${nodeId}`;
  return found.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** What the agent of a node must know of the swarm; undefined for a node that is not in it. */
export function swarmView(
  view: StateView,
  nodeId: string,
  gossipKeys: readonly Buffer[],
): SwarmView | undefined {
  const node = view.nodes.get(nodeId);
  if (node === undefined) return undefined;
  const { cluster } = view;
  return {
    node: Buffer.from(JSON.stringify(node)),
    managers: managersOf(view),
    trustRoots: cluster === undefined ? '' : trustRootsOf(cluster.rootCa),
    issuer: cluster === undefined ? '' : signingRoot(cluster.rootCa).certificate,
    gossipKeys: [...gossipKeys],
  };
}
