import {
  type Change,
  type Revision,
  rebalanceLabel,
  revisionId,
  rollbackTarget,
  type Service,
  type StateView,
} from '@shoal/state';

/** What is assumed to happen. Nodes and services by id. */
export type Hypothesis =
  | { readonly kind: 'drain'; readonly node: string }
  | { readonly kind: 'lose'; readonly node: string }
  | { readonly kind: 'scale'; readonly service: string; readonly replicas: number }
  | { readonly kind: 'rebalance' };

export type Supposed =
  | { readonly kind: 'changes'; readonly changes: readonly Change[] }
  /** `reason` is a sentence for people. */
  | { readonly kind: 'refused'; readonly reason: string };

/** What a person, or fate, would write for the hypothesis to come true. */
export function changesOf(view: StateView, hypothesis: Hypothesis): Supposed {
  switch (hypothesis.kind) {
    case 'drain': {
      const node = view.nodes.get(hypothesis.node);
      if (node === undefined) return refused(`node ${hypothesis.node} not found`);
      const spec = { ...node.spec, Availability: 'drain' as const };
      return changes({ op: 'update', table: 'node', object: { ...node, spec } });
    }
    case 'lose': {
      const node = view.nodes.get(hypothesis.node);
      if (node === undefined) return refused(`node ${hypothesis.node} not found`);
      const status = { ...node.status, state: 'down' as const, message: 'lost' };
      return changes({ op: 'update', table: 'node', object: { ...node, status } });
    }
    case 'scale':
      return scaled(view, hypothesis.service, hypothesis.replicas);
    case 'rebalance': {
      const { cluster } = view;
      if (cluster === undefined) return refused('the state of the swarm is being loaded');
      const Labels = { ...cluster.spec.Labels, [rebalanceLabel]: 'true' };
      const object = { ...cluster, spec: { ...cluster.spec, Labels } };
      return changes({ op: 'update', table: 'cluster', object });
    }
  }
}

function scaled(view: StateView, serviceId: string, replicas: number): Supposed {
  const service = view.services.get(serviceId);
  const current = service && view.revisions.of(service.id, service.revision);
  if (service === undefined || current === undefined)
    return refused(`service ${serviceId} not found`);
  if (current.spec.Mode.Replicated === undefined)
    return refused(`service ${service.name} is not replicated: only replicated services scale`);
  const numbers = Array.from(view.revisions.byService(serviceId), (revision) => revision.number);
  const number = Math.max(...numbers) + 1;
  const object: Service = {
    ...service,
    revision: number,
    previousRevision: rollbackTarget(view, service),
    updateStatus: undefined,
    scaling: undefined,
  };
  const revision: Revision = {
    ...current,
    id: revisionId(serviceId, number),
    number,
    spec: { ...current.spec, Mode: { Replicated: { Replicas: replicas } } },
  };
  return changes(
    { op: 'update', table: 'service', object },
    { op: 'create', table: 'revision', object: revision },
  );
}

function changes(...list: readonly Change[]): Supposed {
  return { kind: 'changes', changes: list };
}

function refused(reason: string): Supposed {
  return { kind: 'refused', reason };
}
