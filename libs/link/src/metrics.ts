import { Counter, Gauge, type Registry } from 'prom-client';

/** Why a connection of another host was not served. */
export type LinkRefusal = 'too-many' | 'late' | 'not-proven' | 'role' | 'unknown-path';
/** How a call of another host began. */
export type LinkDialled = 'connected' | 'unreachable' | 'other-node';

/** What both ends of the link count. */
export interface LinkMetrics {
  /** Connections of other hosts that are open now. */
  connections(count: number): void;
  refused(why: LinkRefusal): void;
  served(root: string): void;
  dialled(how: LinkDialled): void;
}

/** The link's metrics on `registry`; call once a process. */
export function linkMetrics(registry: Registry): LinkMetrics {
  const registers = [registry];
  const connections = new Gauge({
    name: 'shoal_link_connections',
    help: 'Connections of other hosts that are open.',
    registers,
  });
  const refused = new Counter({
    name: 'shoal_link_refused_total',
    help: 'Connections and requests of other hosts that were not served, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const served = new Counter({
    name: 'shoal_link_served_total',
    help: 'Requests of other hosts that were served, by the first segment of their path.',
    labelNames: ['root'],
    registers,
  });
  const dialled = new Counter({
    name: 'shoal_link_dialled_total',
    help: 'Connections to other hosts, by how they began.',
    labelNames: ['outcome'],
    registers,
  });
  return {
    connections: (count) => connections.set(count),
    refused: (reason) => refused.inc({ reason }),
    served: (root) => served.inc({ root }),
    dialled: (outcome) => dialled.inc({ outcome }),
  };
}

/** Counts nothing: for those who show no metrics. */
export const noLinkMetrics: LinkMetrics = {
  connections: () => undefined,
  refused: () => undefined,
  served: () => undefined,
  dialled: () => undefined,
};
