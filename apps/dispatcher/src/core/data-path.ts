import { vtepOf } from '@shoal/overlay';
import { canonical, type StateView } from '@shoal/state';
import type { Presence } from './node-writes.ts';
import type { Refusal } from './session.ts';

/**
 * Why a node may not have its tunnels end where it says: there end those of another node that is there, which would
 * get its packets no more. The address that its session comes from it has proved to be its own; undefined for that
 * and for each that nobody holds.
 */
export function takenDataPath(
  view: StateView,
  { nodeId, addr, description }: Pick<Presence, 'nodeId' | 'addr' | 'description'>,
): Refusal | undefined {
  const claimed = description.DataPathAddr;
  if (claimed === undefined || claimed === canonical(addr)) return undefined;
  for (const node of view.nodes.values()) {
    if (node.id === nodeId || node.status.state !== 'ready' || vtepOf(node) !== claimed) continue;
    const name = node.description?.Hostname ?? '';
    const message = `the data path address ${claimed} is that of node ${node.id} (${name}), which is ready: join with an address of this host as --data-path-addr`;
    return { kind: 'conflict', message };
  }
  return undefined;
}
