import type { OwnNode } from '@shoal/state';

type Place = Pick<OwnNode, 'description' | 'status'>;

/** How other hosts reach a node, without port: as its user says, else where it is seen. Empty while nobody knows. */
export function reachedAt({ description, status }: Place): string {
  return description?.AdvertiseAddr ?? status.addr;
}

/** Where a node's tunnels end; empty while nobody knows. */
export function vtepOf(node: Place | undefined): string {
  return node?.description?.DataPathAddr ?? node?.status.addr ?? '';
}
