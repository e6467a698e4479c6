import type { Node, NodeDescription } from '@shoal/state';
import { type Filters, hasStoredLabels, passes, valuesAmong } from '../filters.ts';
import { metaShape, unlessEmpty } from './meta.ts';

/** What is known of the managers besides the state. */
export interface Quorum {
  /** The node whose voter leads; absent while there is none. */
  readonly leader: string | undefined;
  /** Managers by node id, as the leader last heard of them; who is absent is unknown. */
  readonly reachability: ReadonlyMap<string, Reachability>;
}

export type Reachability = 'reachable' | 'unreachable';

export function nodeShape(node: Node, quorum: Quorum) {
  const { spec, description, status, manager } = node;
  return {
    ...metaShape(node.id, node.meta),
    Spec: {
      Name: spec.Name,
      Labels: spec.Labels,
      Role: spec.Role,
      Availability: spec.Availability,
    },
    Description:
      description === undefined
        ? { Platform: {}, Resources: {}, Engine: {}, TLSInfo: {} }
        : describedShape(description),
    Status: {
      State: status.state,
      Message: unlessEmpty(status.message),
      Addr: unlessEmpty(status.addr),
    },
    ManagerStatus:
      manager === undefined
        ? undefined
        : {
            Leader: quorum.leader === node.id ? true : undefined,
            Reachability: quorum.reachability.get(node.id) ?? 'unknown',
            Addr: manager.addr,
          },
  };
}

/** What Docker's own description has, and nothing of ours. */
function describedShape({ Hostname, Platform, Resources, Engine, TLSInfo }: NodeDescription) {
  return { Hostname, Platform, Resources, Engine, TLSInfo: TLSInfo ?? {} };
}

/** @throws ApiError 500 for values that no node could ever have, as Docker does. */
export function nodeFilter(filters: Filters): (node: Node) => boolean {
  const roles = valuesAmong(filters, 'role', ['worker', 'manager']);
  const memberships = valuesAmong(filters, 'membership', ['accepted', 'pending']);
  return (node) =>
    passes(filters, 'id', (id) => node.id.startsWith(id)) &&
    passes(filters, 'name', (name) => (node.description?.Hostname ?? '').startsWith(name)) &&
    (roles === undefined || roles.has(node.role)) &&
    // Nodes are in the state once they are accepted.
    (memberships === undefined || memberships.has('accepted')) &&
    hasStoredLabels(filters, 'label', node.description?.Engine.Labels) &&
    hasStoredLabels(filters, 'node.label', node.spec.Labels);
}
