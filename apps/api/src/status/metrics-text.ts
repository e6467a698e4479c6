import type { ClusterStatus } from './status.ts';

/** Prometheus' text format. */
export const metricsMediaType = 'text/plain; version=0.0.4; charset=utf-8';

interface Gauge {
  readonly name: string;
  readonly help: string;
  /** By the value of the label; the label itself is `label`. */
  readonly label?: string;
  readonly values: Readonly<Record<string, number>>;
}

/** The cluster's status as gauges: the same from every manager, so one of them is enough to ask. */
export function metricsText(status: ClusterStatus): string {
  return gaugesOf(status).map(written).join('');
}

function gaugesOf({
  logIndex,
  managers,
  stages,
  nodes,
  tasks,
  services,
  networks,
}: ClusterStatus): readonly Gauge[] {
  const one = (name: string, help: string, value: number): Gauge => {
    return { name, help, values: { '': value } };
  };
  return [
    one('log_index', 'Log index of the state that these figures are of.', logIndex),
    one('managers', 'Managers.', managers.total),
    one('managers_reachable', 'Managers that the leader hears.', managers.reachable),
    one('quorum', '1 while enough managers are reachable for a quorum.', Number(managers.quorum)),
    {
      name: 'stage_replicas',
      help: 'Replicas of a stage that hold a lease.',
      label: 'stage',
      values: Object.fromEntries(stages.map(({ stage, replicas }) => [stage, replicas.length])),
    },
    { name: 'nodes', help: 'Nodes by state.', label: 'state', values: nodes.byState },
    { name: 'tasks', help: 'Tasks by state.', label: 'state', values: tasks.byState },
    one('services', 'Services.', services.total),
    one('services_converged', 'Services that are what they ask for.', services.converged),
    one('networks', 'Networks of the swarm.', networks.total),
    one('networks_allocated', 'Networks that have their subnets.', networks.allocated),
  ];
}

function written({ name, help, label, values }: Gauge): string {
  const full = `shoal_cluster_${name}`;
  const lines = Object.entries(values).map(([value, figure]) =>
    label === undefined ? `${full} ${figure}` : `${full}{${label}="${value}"} ${figure}`,
  );
  return `${[`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, ...lines].join('\n')}\n`;
}
