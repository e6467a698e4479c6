import type { Node } from '@shoal/state';

/** Where a node's tunnels end; empty while nobody knows. */
export function vtepOf(node: Pick<Node, 'description' | 'status'> | undefined): string {
  return node?.description?.DataPathAddr ?? node?.status.addr ?? '';
}
